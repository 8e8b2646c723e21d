import type { Redis } from 'ioredis';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import type { OwnOrigins } from './own-origins.ts';

const REFRESH_MS = 5_000;
/** A process that is gone has left its address by then to whoever takes it. Three refreshes may fail before. */
const KEPT_S = 20;

export type OriginDirectoryOptions = {
  readonly origins: OwnOrigins;
  readonly redis: Redis;
  /** Contains the cluster's id, so that two clusters can share one Redis. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * Tells all processes of the cluster where its APIs can be reached. In Redis, where nothing lasts: each process publishes its own origins
 * repeatedly, and while Redis is unreachable it keeps what it has learnt.
 */
export class OriginDirectory {
  readonly #options: OriginDirectoryOptions;
  readonly #key: string;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: OriginDirectoryOptions) {
    this.#options = options;
    this.#key = `${options.prefix}:api-origins`;
  }

  /** Resolves when the directory was read once, or could not be. */
  async start(): Promise<void> {
    await this.refresh();
    this.#running = this.#run(this.#stopping.signal);
  }

  /** Publishes this process's origins, and learns those of the others. */
  async refresh(): Promise<void> {
    const { origins, redis, logger } = this.#options;
    try {
      const [seconds] = await redis.time(); // of Redis, so that the processes' clocks need not agree
      const entries = origins.local.flatMap((origin) => [Number(seconds) + KEPT_S, origin]);
      if (entries.length > 0) await redis.zadd(this.#key, ...entries);
      await redis.zremrangebyscore(this.#key, '-inf', Number(seconds));
      origins.learn(await redis.zrange(this.#key, 0, '-1'));
    } catch (error) {
      logger.debug({ err: error }, 'the origins of the API processes could not be exchanged');
    }
  }

  async stop(): Promise<void> {
    const { origins, redis, logger } = this.#options;
    this.#stopping.abort();
    await this.#running;
    try {
      if (origins.local.length > 0) await redis.zrem(this.#key, ...origins.local);
    } catch (error) {
      logger.debug({ err: error }, 'the origins of this process stay published until they expire');
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#options.clock, REFRESH_MS, signal);
      if (!signal.aborted) await this.refresh();
    }
  }
}
