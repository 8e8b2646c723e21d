import { badInput } from '../../../commands/context.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { PositionText } from '../../edge/query-string.ts';
import type { Follow } from '../../live/hub.ts';
import type { Placed } from '../../live/subscriber.ts';
import type { Topic } from '../../live/topic.ts';
import type { ApiContext } from './context.ts';
import { LAST_EVENT_ID } from './progress.ts';

/** Changes of one subject that may wait for a slow reader. */
export const SUBJECT_BACKLOG = 1_000;
/** A frame of many changes holds about this many. */
export const FRAME_CHANGES = 200;

export const FROM_POSITION = {
  type: 'Position',
  description: 'Resume after this position, without gap or repetition; from now on when absent.',
} as const;

export type Wanted<Change> = Omit<Follow<Change>, 'onCutOff' | 'signal'>;

const idOf = (lastEventId: string): Position => {
  const id = PositionText.safeParse(lastEventId);
  if (id.success) return BigInt(id.data);
  throw badInput([
    {
      pointer: `/headers/${LAST_EVENT_ID}`,
      code: 'BAD_POSITION',
      message: 'must be the id of an event of this subscription',
    },
  ]);
};

/**
 * Where a subscription starts. A client that resumes sends its first request again, so the id is newer than `fromPosition`.
 *
 * Errors: `AppError` `BAD_USER_INPUT` for a position that the log has not reached: what comes before it would be left out.
 */
export const startOf = async (
  { hub, progress }: ApiContext,
  fromPosition: Position | null | undefined,
): Promise<Position> => {
  const { lastEventId } = progress;
  const after = lastEventId === undefined ? fromPosition : idOf(lastEventId);
  if (after != null && !(await hub.hasReached(after)))
    throw badInput([
      {
        pointer: lastEventId === undefined ? '/fromPosition' : `/headers/${LAST_EVENT_ID}`,
        code: 'BAD_POSITION',
        message: `the log has not reached position ${after}`,
      },
    ]);
  const start = after ?? hub.position;
  progress.reached = start;
  return start;
};

/**
 * The frames of an operation's subscription, which can be ended while they wait. `return` of a generator alone would wait for the next
 * change, and a subscription whose client has gone would stay.
 */
export const framesOf = <Frame extends Placed>(
  { progress }: ApiContext,
  make: (signal: AbortSignal) => AsyncGenerator<Frame, void>,
): AsyncGenerator<Frame, void> => {
  const gone = new AbortController();
  const frames = make(gone.signal);
  return {
    async next() {
      const next = await frames.next();
      if (next.done !== true) progress.reached = next.value.position;
      return next;
    },
    return: (value) => {
      gone.abort();
      return frames.return(value);
    },
    throw: (error) => {
      gone.abort();
      return frames.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
};

/** Frames of one subscription are built one after the other: each sees the read models as they are by then. */
export async function* batches<Change extends Placed>(
  { hub, reads, onCutOff }: ApiContext,
  topic: Topic<Change>,
  wanted: Wanted<Change>,
  signal: AbortSignal,
): AsyncGenerator<Change[], void> {
  for await (const changes of hub.follow(topic, { ...wanted, onCutOff, signal })) {
    reads.clear();
    yield changes;
  }
}

/** Changes of a topic, one per frame. */
export const oneByOne = <Change extends Placed>(
  context: ApiContext,
  topic: Topic<Change>,
  { interest, after }: Pick<Wanted<Change>, 'interest' | 'after'>,
) =>
  framesOf(context, async function* (signal): AsyncGenerator<Change, void> {
    const wanted = { interest, after, limit: SUBJECT_BACKLOG, most: FRAME_CHANGES };
    for await (const changes of batches(context, topic, wanted, signal)) yield* changes;
  });
