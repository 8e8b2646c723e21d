import { type Clock, sleep, systemClock } from '../platform/clock.ts';
import type { Logger } from '../platform/logger.ts';

/** A running server. It keeps its port when it is restarted. */
export type Service = {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves with a description when the process has ended. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
};

export type Supervised = { readonly name: string; readonly url: string; readonly pid: number; stop(): Promise<void> };

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
/**
 * A server that ran for longer than the longest delay has recovered: its next restart is quick again. One that is killed every 20 s would
 * otherwise be away for a quarter of the time.
 */
const HEALTHY_MS = LONGEST_DELAY_MS;

/**
 * Starts a service, and restarts it on the same port whenever it ends unexpectedly: one killed server must not stop the whole
 * installation, because its clients reconnect. The delay between attempts grows to 5 s.
 */
export const supervise = async (
  start: (port?: number) => Promise<Service>,
  logger: Logger,
  clock: Clock = systemClock,
): Promise<Supervised> => {
  let current = await start();
  const { name, url, port } = current;
  const stopping = new AbortController();
  const watch = async (): Promise<void> => {
    let delayMs = FIRST_DELAY_MS;
    let startedAt = clock.monotonic();
    for (;;) {
      const how = await current.exited;
      if (stopping.signal.aborted) return;
      if (clock.monotonic() - startedAt > HEALTHY_MS) delayMs = FIRST_DELAY_MS;
      logger.error({ server: name, how }, `${name} ended unexpectedly; restarting it`);
      do {
        await sleep(clock, delayMs, stopping.signal);
        if (stopping.signal.aborted) return;
        delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
      } while (!(await restart()));
      if (stopping.signal.aborted) return; // stop() ends the one that has just started
      startedAt = clock.monotonic();
    }
  };
  const restart = async (): Promise<boolean> => {
    try {
      current = await start(port);
      logger.info({ server: name, pid: current.pid }, `${name} was restarted`);
      return true;
    } catch (error) {
      logger.error({ server: name, err: error }, `could not restart ${name}; trying again`);
      return false;
    }
  };
  const watching = watch();

  return {
    name,
    url,
    get pid() {
      return current.pid;
    },
    async stop() {
      stopping.abort();
      await current.stop();
      await watching;
      await current.stop(); // in case a restart was under way
    },
  };
};
