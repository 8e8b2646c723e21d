import type { TaskEvent } from '../../domain/task/events.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { Position, StoredEvent } from '../../eventstore/event-store.ts';
import { type FollowOptions, followLog } from '../../eventstore/follow-log.ts';
import type { LogFeed } from '../../eventstore/log-feed.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import { AppError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import type { AttemptQueue } from './attempt-queue.ts';
import type { DeadLetter, DeadLetterQueue } from './dead-letter-queue.ts';

const ADD_CHUNK = 500;
const REFILL_PAUSE_MS = 1_000;

export type { DeadLetter } from './dead-letter-queue.ts';

/**
 * Makes the queue show exactly these letters: at the start, and after Redis was emptied. A follower that reads from the position that
 * `openOnes` reflects adds what happens meanwhile.
 */
export const syncDeadLetters = async (
  queue: DeadLetterQueue,
  openOnes: AsyncIterable<DeadLetter> | Iterable<DeadLetter>,
): Promise<void> => {
  const open = new Set<string>();
  let chunk: DeadLetter[] = [];
  for await (const letter of openOnes) {
    open.add(`${letter.tenant}.${letter.taskId}`);
    chunk.push(letter);
    if (chunk.length < ADD_CHUNK) continue;
    await queue.add(chunk);
    chunk = [];
  }
  await queue.add(chunk);
  const closed: DeadLetter[] = [];
  for await (const letter of queue.list()) if (!open.has(`${letter.tenant}.${letter.taskId}`)) closed.push(letter);
  for (const letter of closed) await queue.remove(letter);
};

const apply = async (queue: DeadLetterQueue, event: StoredEvent): Promise<void> => {
  if (event.type !== 'TaskDeadLettered' && event.type !== 'TaskRedriven' && event.type !== 'TaskCancelled') return;
  const decoded = decodeEvent(event) as TaskEvent | undefined;
  const { tenant } = event.metadata;
  if (decoded?.type === 'TaskDeadLettered') {
    const { taskId, reason, attempts, error, deadLetteredAt } = decoded.data;
    await queue.add([{ tenant, taskId, reason, attempts, errorCode: error.code, deadLetteredAt }]);
  } else if (decoded) await queue.remove({ tenant, taskId: decoded.data.taskId });
};

/** Keeps the queue's view of dead letters up to date until `signal` aborts, from `after` on or from the log's present end. */
export const followDeadLetters = ({
  queue,
  ...options
}: Omit<FollowOptions, 'name'> & { readonly queue: DeadLetterQueue }): Promise<void> =>
  followLog({ ...options, name: 'the board of dead letters' }, (event) => apply(queue, event));

/** Time between checks whether Redis was emptied. */
const WATCH_MS = 5_000;

export type DeadLetterBoardOptions = {
  readonly queue: DeadLetterQueue;
  readonly attempts: Pick<AttemptQueue, 'ensureSentinel'>;
  readonly feed: LogFeed;
  /** The open dead letters, and the position of the log that they reflect. */
  readonly openOnes: () => Promise<{ readonly letters: Iterable<DeadLetter>; readonly position: Position }>;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Resolves when Redis was emptied since the last check, or when `signal` aborts. */
const untilEmptied = async ({ attempts, clock }: DeadLetterBoardOptions, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    await sleep(clock, WATCH_MS, signal);
    // While Redis is unreachable nothing is known to be lost; a loss shows when it is back.
    if ((await attempts.ensureSentinel('dead letters').catch(() => 'present')) === 'recreated') return;
  }
};

/** Keeps the board equal to the log until `signal` aborts: from the read model at the start and after each loss, then from the log. */
export const keepDeadLetters = async (options: DeadLetterBoardOptions, signal: AbortSignal): Promise<void> => {
  const { queue, attempts, openOnes, feed, clock, logger } = options;
  while (!signal.aborted) {
    const emptied = new AbortController();
    const ended = AbortSignal.any([signal, emptied.signal]);
    try {
      await attempts.ensureSentinel('dead letters');
      const { letters, position } = await openOnes();
      await syncDeadLetters(queue, letters);
      // A read model that is still empty is before the first position.
      const after = position < 0n ? 0n : position;
      const following = followDeadLetters({ queue, feed, after, clock, logger, signal: ended });
      await untilEmptied(options, signal);
      emptied.abort();
      await following;
    } catch (error) {
      // A read model that is being built, as on every first start, says so itself.
      const level = error instanceof AppError && error.retryable ? 'debug' : 'warn';
      logger[level]({ err: error }, 'the board of dead letters could not be filled');
      await sleep(clock, REFILL_PAUSE_MS, signal);
    }
  }
};
