import { GrpcError, Status } from '../grpc/status.ts';

/**
 * What happens to a live subscriber that does not take its events. Without this the node lets it fall behind as far as it likes; with it,
 * the node shows what EventStoreDB does, so that a client can be tested with it.
 */
export type SlowSubscribers = {
  /** Events that may wait for a client beyond what its connection takes, 32 in EventStoreDB. */
  readonly liveBuffer: number;
  /** `drop` as 23.10 does: the call ends with ABORTED. `read` as 24 does: it catches up from the log, and is notified when it has. */
  readonly whenSlow: 'drop' | 'read';
};

export const EVENTSTOREDB_LIVE_BUFFER = 32;

/** What `--when-slow` and `--live-buffer` ask for. Throws an error that names the option. */
export const slowSubscribersFrom = (flags: SlowFlags): SlowSubscribers | undefined => {
  const { whenSlow, liveBuffer = String(EVENTSTOREDB_LIVE_BUFFER) } = flags;
  if (whenSlow === undefined) {
    if (flags.liveBuffer !== undefined) throw new Error('--live-buffer needs --when-slow');
    return undefined;
  }
  if (whenSlow !== 'drop' && whenSlow !== 'read') throw new Error(`--when-slow is drop or read, not "${whenSlow}"`);
  if (!/^\d{1,9}$/.test(liveBuffer)) throw new Error(`--live-buffer is a number of events, not "${liveBuffer}"`);
  return { liveBuffer: Number(liveBuffer), whenSlow };
};

export type SlowFlags = { readonly whenSlow: string | undefined; readonly liveBuffer: string | undefined };

export const consumerTooSlow = (): GrpcError =>
  new GrpcError(
    Status.aborted,
    'Operation timed out: Consumer too slow to handle event while live. Client resubscription required.',
  );

/** Whether a live subscriber that does not take its events, with `waiting` of them behind, catches up from the log now. Throws if it is dropped. */
export const fallsBehind = (limit: SlowSubscribers | undefined, waiting: number): boolean => {
  if (limit === undefined || waiting <= limit.liveBuffer) return false;
  if (limit.whenSlow === 'drop') throw consumerTooSlow();
  return true;
};
