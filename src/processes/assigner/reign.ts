import type { Caller, Commands } from '../../commands/context.ts';
import { expireTask, failAttempt, markOutcomeUnknown } from '../../commands/task/close-attempt.ts';
import { releaseTask } from '../../commands/task/release-task.ts';
import type { AttemptJob, AttemptOffers } from '../../dispatch/queue.ts';
import { taskOf } from '../../domain/execution/decider.ts';
import { agentStream, executionStream, poolStream, taskStream } from '../../domain/ids.ts';
import type { PoolEvent } from '../../domain/pool/events.ts';
import { type DueTimer, type LedgerEvent, PoolLedger } from '../../domain/pool/ledger.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import { decodeEvent, encodeEvents, headAfter, type StreamHead } from '../../eventstore/codec.ts';
import {
  type EventStore,
  type NewEvent,
  type Position,
  RevisionConflict,
  type StoredEvent,
} from '../../eventstore/event-store.ts';
import type { LogFeed } from '../../eventstore/log-feed.ts';
import { type Clock, type Ids, sleep } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import type { AssignerCounters } from './assigner.ts';
import type { SnapshotStore, StoredSnapshot } from './snapshots.ts';

/**
 * Appends of assignments are at least this far apart, so that under load one carries many; the first after a pause goes at once.
 * At 1,000 tasks/s this is about 0.08 ledger appends per task, for at most this much added latency.
 */
const TICK_GAP_MS = 12;
/** About 400 bytes each, well below the store's 1 MiB per append. */
const MAX_PER_TICK = 500;
const FEED_BATCH = 1_000;
/** A timer whose command did not lead to an event yet is tried again after this. */
const TIMER_HOLD_MS = 5_000;
const SENTINEL_EVERY_MS = 1_000;
/** Every open assignment is offered again this often: what Redis lost without our noticing costs at most this much time. */
const REOFFER_EVERY_MS = 15_000;
const OFFER_CHUNK = 1_000;
/** A tick waits when the queue is this many offers behind. */
const MAX_OFFERS_IN_FLIGHT = 8;
const SNAPSHOT_EVERY_MS = 30_000;
const ELECTION_TRIES = 5;

export type ReignDeps = {
  readonly tenant: string;
  readonly pool: string;
  readonly store: EventStore;
  readonly feed: LogFeed;
  readonly commands: Commands;
  readonly queue: AttemptOffers;
  readonly snapshots: SnapshotStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly logger: Logger;
};

/** Another writer owns the ledger now: what this one holds in memory no longer counts. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
}

type Election = { readonly head: StreamHead; readonly position: Position; readonly writerId: string };

const encodePoolEvents = (
  deps: ReignDeps,
  writerId: string,
  head: StreamHead,
  events: readonly PoolEvent[],
  at: string,
): NewEvent[] => {
  const commandId = deps.ids.next();
  const context = {
    tenant: deps.tenant,
    commandId,
    correlationId: commandId,
    causationId: commandId,
    actor: `assigner:${writerId}`,
    at,
  };
  return encodeEvents(poolStream(deps.tenant, deps.pool), context, events, head);
};

const appendToLedger = async (deps: ReignDeps, events: readonly NewEvent[], head: StreamHead): Promise<Position> => {
  try {
    const stream = poolStream(deps.tenant, deps.pool);
    return (await deps.store.append(stream, events, { expectedRevision: head.revision })).position;
  } catch (error) {
    if (error instanceof RevisionConflict) throw new Fenced(error.message);
    throw error;
  }
};

/** Appends `PoolWriterElected`: from here on no earlier writer can append. */
const elect = async (deps: ReignDeps): Promise<Election> => {
  const writerId = deps.ids.next();
  for (let tries = 1; ; tries += 1) {
    const last = (
      await deps.store.readStream(poolStream(deps.tenant, deps.pool), { direction: 'backwards', limit: 1 })
    )[0];
    const head: StreamHead = last ? { revision: last.revision, hash: last.metadata.hash } : headAfter([]);
    const at = new Date(deps.clock.now()).toISOString();
    const events = encodePoolEvents(
      deps,
      writerId,
      head,
      [{ type: 'PoolWriterElected', data: { pool: deps.pool, writerId, electedAt: at } }],
      at,
    );
    try {
      const position = await appendToLedger(deps, events, head);
      return { head: headAfter(events, head), position, writerId };
    } catch (error) {
      if (!(error instanceof Fenced) || tries >= ELECTION_TRIES) throw error;
    }
  }
};

const loadSnapshot = async (deps: ReignDeps): Promise<StoredSnapshot | undefined> => {
  try {
    return await deps.snapshots.load(deps.tenant, deps.pool);
  } catch (error) {
    deps.logger.warn({ pool: deps.pool, err: error }, 'no snapshot could be read; the log is read from its start');
    return undefined;
  }
};

const TIMED_OUT: AttemptError = {
  code: 'ATTEMPT_EXPIRED',
  message: 'the attempt did not close within its timeout',
  source: 'timeout',
  retryable: true,
  outcomeUnknown: true,
};

/**
 * One time of leadership: elected, caught up with the log, open assignments offered again, and only then deciding. The ledger in memory is
 * valid within it only.
 */
export class Reign {
  readonly ledger: PoolLedger;
  position: Position | undefined;
  readonly #deps: ReignDeps;
  readonly #counters: AssignerCounters;
  readonly #caller: Caller;
  readonly #election: Election;
  readonly #prefixes: readonly string[];
  readonly #offers = new Set<Promise<void>>();
  #head: StreamHead;
  #leading = false;
  #offerFailed = false;
  #dirty = false;
  #snapshotDue = false;
  #wake: () => void = () => {};
  #lastTickAt = Number.NEGATIVE_INFINITY;
  #savedPosition: Position | undefined;

  private constructor(
    deps: ReignDeps,
    counters: AssignerCounters,
    election: Election,
    snapshot: StoredSnapshot | undefined,
  ) {
    this.#deps = deps;
    this.#counters = counters;
    this.#election = election;
    this.#head = election.head;
    this.#caller = { tenant: deps.tenant, actor: `assigner:${election.writerId}` };
    this.#prefixes = [taskStream(deps.tenant, ''), executionStream(deps.tenant, ''), agentStream(deps.tenant, '')];
    this.ledger = new PoolLedger(deps.pool, snapshot?.state);
    this.position = snapshot?.position;
    this.#savedPosition = snapshot?.position;
  }

  static async begin(deps: ReignDeps, counters: AssignerCounters): Promise<Reign> {
    const snapshot = await loadSnapshot(deps);
    return new Reign(deps, counters, await elect(deps), snapshot);
  }

  get leading(): boolean {
    return this.#leading;
  }

  /** Until `signal` aborts. Errors: throws `Fenced`, or whatever made the ledger in memory unusable. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    ended.addEventListener('abort', () => this.#wakeUp(), { once: true });
    const loops = [this.#follow(ended), this.#decide(ended), this.#watchQueue(ended), this.#keepSnapshots(ended)];
    await Promise.race(loops).catch(() => {}); // the reason is thrown below
    stop.abort();
    const failure = (await Promise.allSettled(loops)).find((outcome) => outcome.status === 'rejected');
    this.#leading = false;
    if (failure) throw failure.reason;
    await this.#saveSnapshot();
  }

  async #follow(ended: AbortSignal): Promise<void> {
    const after = this.position === undefined ? {} : { after: this.position };
    for await (const { events, position } of this.#deps.feed.read({ ...after, maxBatch: FEED_BATCH, signal: ended })) {
      for (const event of events) this.#apply(event);
      this.position = position;
      if (!this.#leading && position >= this.#election.position) await this.#takeOver();
      this.#wakeUp();
    }
  }

  #apply(event: StoredEvent): void {
    const { stream } = event;
    const ownLedger = stream === poolStream(this.#deps.tenant, this.#deps.pool);
    // What this reign assigned was taken in when it was decided.
    if (
      ownLedger
        ? event.metadata.actor === this.#caller.actor
        : !this.#prefixes.some((prefix) => stream.startsWith(prefix))
    )
      return;
    // It may have given away since what this one holds for free, and would say so of a task that is to be called off.
    if (ownLedger && event.type === 'PoolWriterElected' && event.position > this.#election.position)
      throw new Fenced(`another writer was elected at ${event.position}`);
    const decoded = decodeEvent(event);
    if (decoded) this.ledger.evolve(decoded as LedgerEvent);
  }

  async #takeOver(): Promise<void> {
    const { pool, logger, queue } = this.#deps;
    try {
      // From here on a changed sentinel means that jobs were lost.
      await queue.ensureSentinel(pool);
      await this.#offerOpen();
    } catch (error) {
      this.#offerFailed = true;
      logger.warn({ err: error }, 'the queue cannot be reached; open assignments are offered when it is back');
    }
    this.#leading = true;
    logger.info({ pool, openTasks: this.ledger.openTasks, writerId: this.#election.writerId }, 'leading the pool');
  }

  async #decide(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await this.#work();
      const { clock } = this.#deps;
      const early = this.#lastTickAt + TICK_GAP_MS - clock.monotonic();
      if (early > 0) await sleep(clock, early, ended);
      this.#dirty = false;
      if (this.#leading && !ended.aborted) await this.#tick();
      if (this.#snapshotDue) {
        // Only here, between two appends, does the ledger hold nothing that the log does not.
        this.#snapshotDue = false;
        void this.#saveSnapshot();
      }
    }
  }

  /** Resolves when there may be something to decide: an event came in, or a timer is due. */
  #work(): Promise<void> {
    if (this.#dirty) return Promise.resolve();
    const dueMs = this.#leading ? this.ledger.nextDueMs() : undefined;
    return new Promise((resolve) => {
      const cancel =
        dueMs === undefined
          ? undefined
          : this.#deps.clock.schedule(Math.max(0, dueMs - this.#deps.clock.now()), resolve);
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

  async #tick(): Promise<void> {
    const nowMs = this.#deps.clock.now();
    for (const timer of this.ledger.dueTimers(nowMs, TIMER_HOLD_MS)) void this.#fire(timer);
    const assignments = this.ledger.assign(nowMs, MAX_PER_TICK);
    if (assignments.length === 0) return;
    this.#lastTickAt = this.#deps.clock.monotonic();
    const { pool } = this.#deps;
    const at = new Date(nowMs).toISOString();
    const assigned: PoolEvent = { type: 'TasksAssigned', data: { pool, assignments, assignedAt: at } };
    const events = encodePoolEvents(this.#deps, this.#election.writerId, this.#head, [assigned], at);
    await appendToLedger(this.#deps, events, this.#head);
    this.#head = headAfter(events, this.#head);
    this.#counters.assigned += assignments.length;
    this.#counters.appends += 1;
    this.#dirty ||= assignments.length === MAX_PER_TICK;
    this.#offer(assignments.map((assignment) => this.#jobOf(assignment)));
    if (this.#offers.size > MAX_OFFERS_IN_FLIGHT) await Promise.race(this.#offers);
  }

  #jobOf({ taskId, attempt, agentId }: { taskId: string; attempt: number; agentId: string }): AttemptJob {
    const { tenant, pool } = this.#deps;
    const transport = this.ledger.transportOf(agentId) ?? 'a2a';
    const executionId = this.ledger.executionOf(taskId);
    return { tenant, pool, taskId, ...(executionId === undefined ? {} : { executionId }), attempt, agentId, transport };
  }

  /** Not waited for: the assignment is a fact already, and what is lost here is offered again. */
  #offer(jobs: readonly AttemptJob[]): void {
    const offering = this.#deps.queue
      .offer(jobs, 'first')
      .catch((error: unknown) => {
        this.#offerFailed = true;
        this.#deps.logger.warn(
          { err: error, jobs: jobs.length },
          'jobs could not be offered; they will be offered again',
        );
      })
      .finally(() => this.#offers.delete(offering));
    this.#offers.add(offering);
  }

  async #offerOpen(): Promise<void> {
    const jobs = this.ledger.openAssignments().map((assignment) => this.#jobOf(assignment));
    for (let from = 0; from < jobs.length; from += OFFER_CHUNK)
      await this.#deps.queue.offer(jobs.slice(from, from + OFFER_CHUNK), 'again');
    this.#counters.reoffered += jobs.length;
  }

  async #watchQueue(ended: AbortSignal): Promise<void> {
    const { clock, queue, logger } = this.#deps;
    let offeredAt = clock.monotonic();
    while (!ended.aborted) {
      await sleep(clock, SENTINEL_EVERY_MS, ended);
      if (ended.aborted || !this.#leading) continue;
      try {
        const lost = (await queue.ensureSentinel(this.#deps.pool)) === 'recreated';
        if (lost) logger.warn({ pool: this.#deps.pool }, 'the queue was emptied; offering every open assignment again');
        if (!lost && !this.#offerFailed && clock.monotonic() - offeredAt < REOFFER_EVERY_MS) continue;
        this.#offerFailed = false;
        offeredAt = clock.monotonic();
        await this.#offerOpen();
      } catch (error) {
        this.#offerFailed = true;
        logger.warn({ err: error }, 'the queue cannot be reached');
      }
    }
  }

  async #fire(timer: DueTimer): Promise<void> {
    const { commands, logger } = this.#deps;
    try {
      if (timer.kind === 'deadlinePassed') await expireTask(commands, this.#caller, timer.taskId, timer.assigned);
      else if (timer.kind === 'release') await releaseTask(commands, this.#caller, timer);
      else await this.#giveUp(timer);
    } catch (error) {
      logger.warn({ err: error, timer }, 'a timer could not be carried out; it will be tried again');
    }
  }

  async #giveUp(timer: Extract<DueTimer, { kind: 'attemptExpired' }>): Promise<void> {
    const { commands, tenant } = this.#deps;
    const { taskId, executionId } = timer;
    const task =
      executionId === undefined
        ? await commands.tasks.load(taskStream(tenant, taskId), { fresh: true })
        : taskOf(await commands.executions.load(executionStream(tenant, executionId), { fresh: true }), taskId);
    // Recorded only before calls that must not be made twice: failing the attempt would make another.
    const called = task?.status === 'open' && task.started;
    const result = called
      ? await markOutcomeUnknown(commands, this.#caller, timer, TIMED_OUT)
      : await failAttempt(commands, this.#caller, timer, { error: TIMED_OUT });
    if (result.ok) this.#counters.expired += 1;
  }

  async #keepSnapshots(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await sleep(this.#deps.clock, SNAPSHOT_EVERY_MS, ended);
      this.#snapshotDue = true;
      this.#wakeUp();
    }
  }

  async #saveSnapshot(): Promise<void> {
    const { snapshots, tenant, pool, logger } = this.#deps;
    const { position } = this;
    if (position === undefined || position === this.#savedPosition) return;
    try {
      await snapshots.save(tenant, pool, { position, state: this.ledger.snapshot() });
      this.#savedPosition = position;
    } catch (error) {
      logger.warn({ pool, err: error }, 'the snapshot could not be saved');
    }
  }
}
