import type { Position } from '../../../eventstore/event-store.ts';
import type { Follow } from '../../live/hub.ts';
import type { Placed } from '../../live/subscriber.ts';
import type { Topic } from '../../live/topic.ts';
import type { ApiContext } from './context.ts';

/** Changes of one subject that may wait for a slow reader. */
export const SUBJECT_BACKLOG = 1_000;
/** A frame of many changes holds about this many. */
export const FRAME_CHANGES = 200;

export const FROM_POSITION = {
  type: 'Position',
  description: 'Resume after this position, without gap or repetition; from now on when absent.',
} as const;

export type Wanted<Change> = Omit<Follow<Change>, 'onCutOff' | 'signal'>;

/**
 * An iterator that can be ended while it waits. `return` of a generator alone would wait for the next change, and a subscription
 * whose client has gone would stay.
 */
export const endable = <Frame>(
  make: (signal: AbortSignal) => AsyncGenerator<Frame, void>,
): AsyncGenerator<Frame, void> => {
  const gone = new AbortController();
  const frames = make(gone.signal);
  return {
    next: () => frames.next(),
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
  { interest, after }: Pick<Wanted<Change>, 'interest'> & { readonly after: Position | null | undefined },
) =>
  endable(async function* (signal): AsyncGenerator<Change, void> {
    const wanted = { interest, after: after ?? undefined, limit: SUBJECT_BACKLOG, most: FRAME_CHANGES };
    for await (const changes of batches(context, topic, wanted, signal)) yield* changes;
  });
