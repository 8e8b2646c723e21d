import type { Commands } from '../../commands/context.ts';
import type { AttemptOffers } from '../../dispatch/queues/attempt-queue.ts';
import { admissionStream, agentStream, executionStream, poolStream, taskStream } from '../../domain/ids.ts';
import { instantOf } from '../../domain/instant.ts';
import type { Assignment, PoolEvent } from '../../domain/pool/events.ts';
import { PoolLedger } from '../../domain/pool/ledger.ts';
import { SNAPSHOT_VERSION } from '../../domain/pool/ledger-snapshot.ts';
import type { DueTimer } from '../../domain/pool/timers.ts';
import type { EventStore, Position, StoredEvent } from '../../eventstore/event-store.ts';
import { type Ids, sleep } from '../../platform/clock.ts';
import {
  type Acted,
  type Chore,
  type Duty,
  Fenced,
  type FoldDefinition,
  Leader,
  type LeaderDeps,
  type LeaderStatus,
  type Term,
} from '../leader.ts';
import { carryOutTimer, recall, type TimerDeps } from './carry-out-timer.ts';
import { LedgerWriter } from './ledger-writer.ts';
import { Offers } from './offers.ts';

/**
 * Appends of assignments are at least this far apart, so that under load one carries many; the first after a pause goes at once.
 * At 1,000 tasks/s this is about 0.08 ledger appends per task, for at most this much added latency.
 */
const TICK_GAP_MS = 12;
/** About 400 bytes each, well below the store's 1 MiB per append. */
const MAX_PER_TICK = 500;
/**
 * One tick decides for at most this long, then appends: nothing else in the process runs meanwhile, the renewal of its leases included.
 * Far below a quarter of the shortest lease (500 ms).
 */
const DECIDE_MS = 25;
/** About 150 bytes each. */
const MAX_BREAKERS_PER_TICK = 500;
/** About 60 bytes each. */
const MAX_LOADS_PER_TICK = 1_000;
/** Decisions, and attempts that become ready, between two looks at the clock. A decision among 10,000 agents takes about 1 ms. */
const DECISIONS_PER_LOOK = 8;
const WAKES_PER_LOOK = 1_000;
/** A timer whose command has not led to an event is tried again after this. */
const TIMER_HOLD_MS = 5_000;
/** Commands of timers under way at once: thousands that are due together would all be slow, and be due again before they end. */
const MAX_TIMERS_UNDER_WAY = 64;
/** How often tasks are looked for whose agents could not be reached for too long; at most as many at once as timers. */
const UNREACHABLE_EVERY_MS = 1_000;

/** How often the places of the dispatchers are read; the first decision waits this long for them at most. */
const PLACES_EVERY_MS = 1_000;
const FIRST_PLACES_MS = 250;
/** How often it is read what heartbeats say of the agents' load (requirements 1.3). */
const LOADS_EVERY_MS = 5_000;

export type AssignerDeps = LeaderDeps & {
  readonly pool: string;
  readonly store: EventStore;
  readonly commands: Commands;
  readonly queue: AttemptOffers;
  /** What is assigned to agents over the network is bounded by the dispatchers' places. Default: by the agents' limits alone. */
  readonly places?: {
    /** Undefined when no dispatcher is known. Errors: whatever keeps them from being read. */
    of(pool: string): Promise<number | undefined>;
  };
  /** What heartbeats say of the agents' load. Default: nothing. */
  readonly loads?: {
    /** Shares from 0 to 1, by agent. Errors: whatever keeps them from being read. */
    all(): Promise<ReadonlyMap<string, number>>;
  };
  /** How long tasks without a deadline wait for agents that cannot be reached. Default: for ever. */
  readonly unreachableLimitMs?: number | undefined;
  readonly ids: Ids;
};

export type AssignerCounters = {
  /** Assignments appended, and appends that carried decisions. */
  assigned: number;
  appends: number;
  /** Assignments to another agent than the one that the task's key belongs to, because that one could take no more. */
  overflowed: number;
  /** Times another writer took the ledger over. */
  fenced: number;
  /** Jobs offered again because Redis had lost them, or might have. */
  reoffered: number;
  /** Attempts given up because they did not close in time. */
  expired: number;
};

type Decided = { readonly assignments: readonly Assignment[]; readonly isMore: boolean };

/** A deadline does not wait until an attempt that expired before it has been taken back. */
const keyOf = ({ kind, taskId }: Pick<DueTimer, 'kind' | 'taskId'>): string => `${kind} ${taskId}`;

const NOTHING_YET: Decided = { assignments: [], isMore: true };

/** The one writer of a pool's ledger: a leader over the fold of the pool. */
export class Assigner {
  readonly counters: AssignerCounters = { assigned: 0, appends: 0, overflowed: 0, fenced: 0, reoffered: 0, expired: 0 };
  readonly #leader: Leader<PoolLedger>;
  #ledger: PoolLedger | undefined;

  constructor(deps: AssignerDeps) {
    const duty: Duty<PoolLedger> = {
      fold: foldOf(deps),
      begin: (ledger, clock) => {
        this.#ledger = ledger;
        return new PoolTerm({ ...deps, clock, commands: { ...deps.commands, clock } }, this.counters, ledger);
      },
      onFenced: () => {
        this.counters.fenced += 1;
      },
    };
    this.#leader = new Leader(duty, deps);
  }

  status(): LeaderStatus {
    return this.#leader.status();
  }

  /** Tasks of the pool that wait for nothing that is known; undefined while this process does not lead it. */
  tasksWithoutReason(): number | undefined {
    return this.status().leading ? this.#ledger?.waiting.withoutReason : undefined;
  }

  /** Runs until `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#leader.run(signal);
  }
}

const foldOf = ({ tenant, pool }: AssignerDeps): FoldDefinition<PoolLedger> => {
  const prefixes = [taskStream(tenant, ''), executionStream(tenant, ''), agentStream(tenant, '')];
  const ledgerStream = poolStream(tenant, pool);
  const controlStream = admissionStream(tenant, pool);
  return {
    name: `pool:${pool}`,
    version: SNAPSHOT_VERSION,
    start: (snapshot) => new PoolLedger(pool, snapshot),
    wants: ({ stream }) =>
      prefixes.some((prefix) => stream.startsWith(prefix)) || stream === ledgerStream || stream === controlStream,
    // Without all of the ledger nobody knows who holds what; without the other, whether anybody may.
    isVital: (stream) => stream === ledgerStream || stream === controlStream,
  };
};

/** Elected, caught up with the log, open assignments offered again, and only then deciding. */
class PoolTerm implements Term {
  readonly actGapMs = TICK_GAP_MS;
  readonly chores: readonly Chore[];
  readonly #deps: AssignerDeps;
  readonly #counters: AssignerCounters;
  readonly #ledger: PoolLedger;
  /** From its election on, which comes when the ledger has caught up with the log. */
  #writer: LedgerWriter | undefined;
  readonly #offers: Offers;
  readonly #ledgerStream: string;
  /** Timers that are being carried out. */
  readonly #underWay = new Set<string>();
  #unreachableFromMs = Number.NEGATIVE_INFINITY;
  /** Position of the last event that the ledger was given; its election is one. */
  #readTo: Position = 0n;

  constructor(deps: AssignerDeps, counters: AssignerCounters, ledger: PoolLedger) {
    this.#deps = deps;
    this.#counters = counters;
    this.#ledger = ledger;
    this.#offers = new Offers({ ...deps, ledger, counters });
    this.#ledgerStream = poolStream(deps.tenant, deps.pool);
    this.chores = [
      this.#offers.chore,
      { everyMs: PLACES_EVERY_MS, run: () => this.#readPlaces() },
      { everyMs: LOADS_EVERY_MS, run: () => this.#readLoads() },
    ];
  }

  admits({ stream, type, position, metadata }: StoredEvent): boolean {
    this.#readTo = position;
    if (stream !== this.#ledgerStream || !this.#writer) return true;
    // What this writer assigned was taken in when it was decided.
    if (metadata.actor === this.#writer.actor) return false;
    // The other writer may have assigned tasks that have no agent here, and this one would report them to an aborting execution as not held.
    if (type === 'PoolWriterElected' && position > this.#writer.electedAt)
      throw new Fenced(`another writer was elected at ${position}`);
    return true;
  }

  async raiseFence(): Promise<Position> {
    this.#writer = await LedgerWriter.elect(this.#deps);
    return this.#writer.electedAt;
  }

  async takeOver(): Promise<void> {
    this.#offers.takeOver();
    await Promise.race([this.#readPlaces(), sleep(this.#deps.clock, FIRST_PLACES_MS)]);
    const { pool, logger } = this.#deps;
    const { writerId } = this.#elected;
    logger.info({ pool, openTasks: this.#ledger.openTasks, writerId }, 'leading the pool');
  }

  get #elected(): LedgerWriter {
    if (!this.#writer) throw new Error('the pool is led before the election of its writer');
    return this.#writer;
  }

  async act(nowMs: number): Promise<Acted> {
    const isBehind = this.#startTimers(nowMs);
    const changes = this.#changeAgents(nowMs);
    const { assignments, isMore } = changes.isMore ? NOTHING_YET : this.#decide(nowMs);
    const decided = [...changes.events, ...this.#tasksAssigned(assignments, nowMs)];
    await this.#record(decided, assignments, nowMs);
    this.#startRecalls();
    if (isMore) return 'more';
    return decided.length > 0 || isBehind ? 'something' : 'nothing';
  }

  /** No decision without all breakers that change before it. Loads are recorded when they are needed. */
  #changeAgents(nowMs: number): { readonly events: readonly PoolEvent[]; readonly isMore: boolean } {
    const isNeeded = this.#ledger.waiting.size > 0;
    const loads = isNeeded ? this.#ledger.loads.change(nowMs, MAX_LOADS_PER_TICK) : [];
    const breakers = this.#ledger.changeBreakers(nowMs, MAX_BREAKERS_PER_TICK);
    const facts = { pool: this.#deps.pool, readTo: String(this.#readTo), changedAt: instantOf(nowMs) };
    const events: PoolEvent[] = [];
    if (loads.length > 0) events.push({ type: 'AgentLoadsChanged', data: { ...facts, changes: loads } });
    if (breakers.length > 0) events.push({ type: 'BreakersChanged', data: { ...facts, changes: breakers } });
    return { events, isMore: breakers.length === MAX_BREAKERS_PER_TICK };
  }

  async #readPlaces(): Promise<void> {
    const { pool, places } = this.#deps;
    // While Redis is unreachable this is unknown; then the agents' limits apply.
    this.#ledger.places.limit('a2a', await places?.of(pool).catch(() => undefined));
  }

  async #readLoads(): Promise<void> {
    // While Redis is unreachable, what is recorded stays.
    const loads = await this.#deps.loads?.all().catch(() => undefined);
    if (loads) this.#ledger.loads.report(loads);
  }

  /** One slice: what can be decided within `DECIDE_MS`, and fits into one append. */
  #decide(nowMs: number): Decided {
    const { clock } = this.#deps;
    const endsAt = clock.monotonic() + DECIDE_MS;
    while (this.#ledger.wake(nowMs, WAKES_PER_LOOK) === WAKES_PER_LOOK)
      if (clock.monotonic() >= endsAt) return { assignments: [], isMore: true };
    const assignments: Assignment[] = [];
    while (assignments.length < MAX_PER_TICK && clock.monotonic() < endsAt) {
      const limit = Math.min(DECISIONS_PER_LOOK, MAX_PER_TICK - assignments.length);
      const decided = this.#ledger.assign(nowMs, limit);
      assignments.push(...decided);
      if (decided.length < limit) return { assignments, isMore: false };
    }
    return { assignments, isMore: true };
  }

  async #record(decided: readonly PoolEvent[], assignments: readonly Assignment[], nowMs: number): Promise<void> {
    if (decided.length === 0) return;
    await this.#elected.append(decided, instantOf(nowMs));
    this.#counters.appends += 1;
    if (assignments.length === 0) return;
    this.#ledger.recorded(assignments);
    this.#counters.assigned += assignments.length;
    for (const { reason } of assignments) if (reason.overflow !== undefined) this.#counters.overflowed += 1;
    this.#offers.offer(assignments);
  }

  #tasksAssigned(assignments: readonly Assignment[], nowMs: number): PoolEvent[] {
    if (assignments.length === 0) return [];
    const { pool } = this.#deps;
    const places = this.#ledger.places.known();
    const limited = Object.keys(places).length === 0 ? {} : { places };
    const facts = { pool, readTo: String(this.#readTo), ...limited, assignedAt: instantOf(nowMs) };
    return [{ type: 'TasksAssigned', data: { ...facts, assignments: [...assignments] } }];
  }

  /** Each is tried once: an attempt that cannot be taken back takes its course. */
  #startRecalls(): void {
    for (const assignment of this.#ledger.takeRecalls())
      recall(this.#timerDeps, assignment).catch((error: unknown) => {
        const { taskId } = assignment;
        this.#deps.logger.warn({ err: error, taskId }, 'an attempt could not be recalled from a failing agent');
      });
  }

  /** Returns whether timers are due that must wait until others are done. */
  #startTimers(nowMs: number): boolean {
    const room = MAX_TIMERS_UNDER_WAY - this.#underWay.size;
    for (const timer of [
      ...this.#ledger.dueTimers(nowMs, TIMER_HOLD_MS, room),
      ...this.#unreachableTasks(nowMs),
      ...this.#ledger.dependents.due(nowMs, TIMER_HOLD_MS, room, (taskId) =>
        this.#underWay.has(keyOf({ kind: 'dependencies', taskId })),
      ),
    ])
      if (!this.#underWay.has(keyOf(timer))) void this.#carryOut(timer);
    return this.#underWay.size >= MAX_TIMERS_UNDER_WAY;
  }

  /** Looked for once per second: that takes time in proportion to the requirements that have work, and to the tasks of those whose agents were not reached. */
  #unreachableTasks(nowMs: number): readonly DueTimer[] {
    const { clock, unreachableLimitMs: limitMs } = this.#deps;
    if (limitMs === undefined || clock.monotonic() < this.#unreachableFromMs) return [];
    this.#unreachableFromMs = clock.monotonic() + UNREACHABLE_EVERY_MS;
    return this.#ledger.unreachableTasks(nowMs, limitMs, MAX_TIMERS_UNDER_WAY);
  }

  get #timerDeps(): TimerDeps {
    const { tenant, commands, unreachableLimitMs } = this.#deps;
    const caller = { tenant, actor: this.#elected.actor };
    return { commands, caller, unreachableLimitMs, withdraw: (taskId) => this.#offers.withdraw(taskId) };
  }

  /** Until nothing has happened to what it waits for while its state was read. */
  async #settle(timer: Extract<DueTimer, { kind: 'dependencies' }>): Promise<void> {
    do await carryOutTimer(this.#timerDeps, timer);
    while (!this.#ledger.dependents.looked(timer.taskId));
  }

  async #carryOut(timer: DueTimer): Promise<void> {
    this.#underWay.add(keyOf(timer));
    try {
      if (timer.kind === 'dependencies') await this.#settle(timer);
      else if (await carryOutTimer(this.#timerDeps, timer)) this.#counters.expired += 1;
    } catch (error) {
      if (timer.kind === 'agentsUnreachable') this.#ledger.keepWaiting(timer.taskId);
      this.#deps.logger.warn({ err: error, timer }, 'a timer could not be carried out; it will be tried again');
    } finally {
      this.#underWay.delete(keyOf(timer));
    }
  }
}
