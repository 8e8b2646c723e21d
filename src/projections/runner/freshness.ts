import type pg from 'pg';
import type { Position } from '../../eventstore/event-store.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import { AppError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { withQueryTimeout } from '../../platform/postgres.ts';
import { PROJECTION_NAMES, type ProjectionName } from '../registry.ts';
import { NOTHING_YET, readCheckpoints } from './checkpoint.ts';

const CHANNEL = 'baton_projection';
/** A notification can be lost with its connection; those who wait for it then learn of it this much later. */
const POLL_MS = 250;
const RECONNECT_MS = 500;
/** Longer than any reader waits. */
const QUERY_TIMEOUT_MS = 5_000;

export type FreshnessOptions = { readonly pool: pg.Pool; readonly clock: Clock; readonly logger: Logger };

export type WaitOptions = {
  readonly timeoutMs: number;
  /** The projections that must have reached the position; default: all. */
  readonly projections?: readonly ProjectionName[] | undefined;
};

type Waiter = { readonly isMet: () => boolean; readonly resolve: () => void };

/**
 * The positions of the projections, for readers who want to see what they wrote. From the first wait on, one connection of this process
 * listens for all projections; while somebody waits, the checkpoints are also polled.
 */
export class Freshness {
  readonly #options: FreshnessOptions;
  readonly #stopping = new AbortController();
  readonly #positions = new Map<string, Position>();
  readonly #waiters = new Set<Waiter>();
  #listening: Promise<void> | undefined;
  #polling: Promise<void> | undefined;

  constructor(options: FreshnessOptions) {
    this.#options = options;
  }

  /** Ends all waits as if they had timed out. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const waiter of this.#waiters) waiter.resolve();
    await Promise.all([this.#listening, this.#polling]);
  }

  /**
   * Resolves when the projections have handled everything up to a position.
   *
   * Errors: `AppError` STALE_READ (retryable) when they have not within `timeoutMs`.
   */
  async waitFor(position: Position, { timeoutMs, projections = PROJECTION_NAMES }: WaitOptions): Promise<void> {
    const isMet = (): boolean => this.#lowest(projections) >= position;
    if (isMet()) return;
    await this.#wait(isMet, timeoutMs);
    if (isMet()) return;
    const current = this.#lowest(projections);
    throw new AppError('STALE_READ', `read models are at position ${current}, ${position} was requested`, {
      retryable: true,
      details: { position: current.toString(), atLeast: position.toString(), projections },
    });
  }

  /** The position up to which all of the projections have handled the log; -1 before the first event. */
  async currentPosition(projections: readonly ProjectionName[] = PROJECTION_NAMES): Promise<Position> {
    await this.#poll();
    return this.#lowest(projections);
  }

  #lowest(projections: readonly string[]): Position {
    const positions = projections.map((name) => this.#positions.get(name) ?? NOTHING_YET);
    return positions.sort((a, b) => (a < b ? -1 : 1))[0] ?? NOTHING_YET;
  }

  async #wait(isMet: () => boolean, timeoutMs: number): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const waiter: Waiter = {
        isMet,
        resolve: () => {
          cancel();
          this.#waiters.delete(waiter);
          resolve();
        },
      };
      const cancel = this.#options.clock.schedule(timeoutMs, waiter.resolve);
      this.#waiters.add(waiter);
      this.#listening ??= this.#listen();
      this.#polling ??= this.#pollWhileWaiting();
    });
  }

  /** The position may also be lower: a rebuild starts again. */
  #moved(name: string, position: Position): void {
    this.#positions.set(name, position);
    for (const waiter of this.#waiters) if (waiter.isMet()) waiter.resolve();
  }

  async #pollWhileWaiting(): Promise<void> {
    const { clock, logger } = this.#options;
    let failures = 0;
    while (this.#waiters.size > 0 && !this.#stopping.signal.aborted) {
      try {
        await this.#poll();
        failures = 0;
      } catch (error) {
        if (++failures === 1) logger.warn({ err: error }, 'checkpoints not read; trying again while readers wait');
      }
      await sleep(clock, POLL_MS, this.#stopping.signal);
    }
    this.#polling = undefined;
  }

  async #poll(): Promise<void> {
    const pool = withQueryTimeout(this.#options.pool, QUERY_TIMEOUT_MS);
    for (const { name, position } of await readCheckpoints(pool, PROJECTION_NAMES)) this.#moved(name, position);
  }

  async #listen(): Promise<void> {
    const { pool, clock, logger } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const client = await pool.connect();
        try {
          await this.#listenOn(client, signal);
        } finally {
          client.release(true); // the pool must not reuse a connection that listens
        }
      } catch (error) {
        logger.warn({ err: error }, 'not listening for projections; readers poll meanwhile');
        await sleep(clock, RECONNECT_MS, signal);
      }
    }
  }

  async #listenOn(client: pg.PoolClient, signal: AbortSignal): Promise<void> {
    let close: () => void = () => {};
    const ended = new Promise<void>((resolve, reject) => {
      close = resolve;
      client.once('error', reject);
      client.once('end', () => reject(new Error('the listening connection was closed')));
    });
    // The connection may be lost before anyone awaits this; and closing it ourselves is not a failure.
    ended.catch(() => {});
    signal.addEventListener('abort', close, { once: true });
    try {
      client.on('notification', ({ channel, payload }) => {
        if (channel === CHANNEL && payload !== undefined) this.#notified(payload);
      });
      const listen = { text: `LISTEN ${CHANNEL}`, query_timeout: QUERY_TIMEOUT_MS };
      await client.query(listen);
      await this.#poll(); // moves from before the connection listened
      if (!signal.aborted) await ended;
    } finally {
      signal.removeEventListener('abort', close);
    }
  }

  /** `<name>,<name>:<position>`, see `writer.ts`. */
  #notified(payload: string): void {
    // The name may contain a colon (`tasks:verify`). Anybody may send notifications: other forms are ignored.
    const [, names = '', position] = /^(.+):(-?\d+)$/.exec(payload) ?? [];
    if (position === undefined) return;
    for (const name of names.split(',')) this.#moved(name, BigInt(position));
  }
}
