import type { Commands } from '../../commands/context.ts';
import { type ExecutionEvent, executionEvents } from '../../domain/execution/events.ts';
import { executionStream } from '../../domain/ids.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { Position, StoredEvent } from '../../eventstore/event-store.ts';
import type { LogFeed } from '../../eventstore/log-feed.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Lease } from '../../platform/lease.ts';
import type { Logger } from '../../platform/logger.ts';
import type { SnapshotStore } from '../assigner/snapshots.ts';
import { carryOut } from './carry-out.ts';
import { type DueWork, WaitBook, type WaitBookSnapshot } from './wait-book.ts';

const FEED_BATCH = 1_000;
const STAND_BY_MS = 500;
/** Work that did not lead to an event yet is tried again after this. */
const HOLD_MS = 5_000;
const SNAPSHOT_EVERY_MS = 30_000;

export type ExecutionFollowerDeps = {
  readonly tenant: string;
  readonly feed: LogFeed;
  readonly commands: Commands;
  readonly snapshots: SnapshotStore<WaitBookSnapshot>;
  readonly acquireLease: () => Promise<Lease | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * Ends delays, enforces time limits, starts and joins sub-workflows. Whoever has the lease does it; two at once would do no harm, because
 * each command is refused or changes nothing when it comes a second time.
 */
export class ExecutionFollower {
  readonly #deps: ExecutionFollowerDeps;
  #book = new WaitBook();
  #position: Position | undefined;
  #caughtUp = false;
  #wake: () => void = () => {};
  #dirty = false;

  constructor(deps: ExecutionFollowerDeps) {
    this.#deps = deps;
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!signal.aborted) {
      try {
        const lease = await this.#deps.acquireLease();
        if (lease) await this.#lead(AbortSignal.any([signal, lease.signal])).finally(() => lease.release());
      } catch (error) {
        logger.error({ err: error }, 'the follower of executions starts over');
      }
      await sleep(clock, STAND_BY_MS, signal);
    }
  }

  async #lead(signal: AbortSignal): Promise<void> {
    const snapshot = await this.#load();
    this.#book = new WaitBook(snapshot?.state);
    this.#position = snapshot?.position;
    this.#caughtUp = false;
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    ended.addEventListener('abort', () => this.#wakeUp(), { once: true });
    const loops = [this.#follow(ended), this.#act(ended), this.#keepSnapshots(ended)];
    await Promise.race(loops).catch(() => {}); // the reason is thrown below
    stop.abort();
    const failure = (await Promise.allSettled(loops)).find((outcome) => outcome.status === 'rejected');
    if (failure) throw failure.reason;
    await this.#save();
  }

  async #follow(ended: AbortSignal): Promise<void> {
    const after = this.#position === undefined ? {} : { after: this.#position };
    for await (const batch of this.#deps.feed.read({ ...after, maxBatch: FEED_BATCH, signal: ended })) {
      for (const event of batch.events) this.#apply(event);
      this.#position = batch.position;
      this.#caughtUp ||= batch.caughtUp;
      this.#wakeUp();
    }
  }

  #apply(event: StoredEvent): void {
    if (!(event.type in executionEvents) || !event.stream.startsWith(executionStream(this.#deps.tenant, ''))) return;
    const decoded = decodeEvent(event);
    if (decoded) this.#book.evolve(decoded as ExecutionEvent);
  }

  async #act(ended: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!ended.aborted) {
      await this.#work();
      this.#dirty = false;
      if (!this.#caughtUp || ended.aborted) continue;
      for (const work of this.#book.due(clock.now(), HOLD_MS)) void this.#carryOut(work);
    }
  }

  /** Resolves when something may be due. */
  #work(): Promise<void> {
    if (this.#dirty) return Promise.resolve();
    const { clock } = this.#deps;
    const dueMs = this.#caughtUp ? this.#book.nextDueMs() : undefined;
    return new Promise((resolve) => {
      const cancel = dueMs === undefined ? undefined : clock.schedule(Math.max(0, dueMs - clock.now()), resolve);
      this.#wake = () => {
        cancel?.();
        resolve();
      };
    });
  }

  #wakeUp(): void {
    this.#dirty = true;
    this.#wake();
  }

  async #carryOut(work: DueWork): Promise<void> {
    try {
      await carryOut(this.#deps.commands, this.#deps.tenant, work);
    } catch (error) {
      this.#deps.logger.warn({ err: error, work: work.kind }, 'work for an execution failed; it will be tried again');
    }
  }

  async #keepSnapshots(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await sleep(this.#deps.clock, SNAPSHOT_EVERY_MS, ended);
      if (!ended.aborted) await this.#save();
    }
  }

  async #load() {
    const { snapshots, tenant, logger } = this.#deps;
    try {
      return await snapshots.load(tenant, SNAPSHOT_NAME);
    } catch (error) {
      logger.warn(
        { err: error },
        'no snapshot of what executions wait for could be read; the log is read from its start',
      );
      return undefined;
    }
  }

  async #save(): Promise<void> {
    const { snapshots, tenant, logger } = this.#deps;
    if (this.#position === undefined) return;
    try {
      await snapshots.save(tenant, SNAPSHOT_NAME, { position: this.#position, state: this.#book.snapshot() });
    } catch (error) {
      logger.warn({ err: error }, 'the snapshot of what executions wait for could not be saved');
    }
  }
}

/** Beside the pools' snapshots; no pool has this name. */
const SNAPSHOT_NAME = '#executions';
