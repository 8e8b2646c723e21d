import { type Clock, sleep } from '../platform/clock.ts';
import type { Logger } from '../platform/logger.ts';
import type { Position, StoredEvent } from './event-store.ts';
import type { LogFeed } from './log-feed.ts';

const BATCH = 1_000;
const PAUSE_MS = 500;

export type FollowPorts = {
  readonly feed: Pick<LogFeed, 'read' | 'status'>;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type FollowOptions = FollowPorts & {
  /** Who follows, for log messages: "the dispatcher". */
  readonly name: string;
  /** The last position that the follower knows; default: the current end of the log. */
  readonly after?: Position | undefined;
  readonly signal: AbortSignal;
};

/**
 * Passes each event to `onEvent`, in log order, until `signal` aborts or the feed stops. After a failure of the feed or of `onEvent` it
 * continues after the last batch that was handled in full, so `onEvent` may see an event twice.
 */
export const followLog = async (
  { name, feed, after, clock, logger, signal }: FollowOptions,
  onEvent: (event: StoredEvent) => void | Promise<void>,
): Promise<void> => {
  let position = after ?? feed.status().position;
  while (!signal.aborted) {
    try {
      const from = position === undefined ? {} : { after: position };
      for await (const batch of feed.read({ ...from, maxBatch: BATCH, signal })) {
        for (const event of batch.events) {
          const pending = onEvent(event);
          if (pending) await pending;
        }
        position = batch.position;
      }
      return; // the signal aborted, or the feed was stopped
    } catch (error) {
      logger.warn({ err: error }, `${name} could not follow the log and tries again`);
      await sleep(clock, PAUSE_MS, signal);
    }
  }
};
