import type { AdmissionEvent } from '../admission/events.ts';
import { eventsOf, isAdmissionEvent, PoolControls } from '../admission/pool-control.ts';
import { instantOf } from '../instant.ts';
import { PoolLedger } from './ledger.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';

/**
 * How many pools may be in use at a time. Each costs the process that leads it a lease, timers and snapshots, and every dispatcher a
 * connection to Redis. What would bring another one into use is refused.
 */
export const MAX_POOLS = 100;

/** Without the open tasks, which are in parts. */
export type PoolsSnapshot = {
  readonly agents: readonly (readonly [agentId: string, pool: string])[];
  readonly paused: readonly string[];
  /** What leads to the controls of all pools. */
  readonly controls: readonly AdmissionEvent[];
};

/** Open tasks of one pool: its name, then their ids. */
export type PoolPart = { readonly part: number; readonly items: readonly string[] };

/** About 40 bytes each. */
const TASKS_PER_PART = 5_000;

/** Raised with any change of what a snapshot holds or means. */
export const POOLS_VERSION = 2;

type Members = Map<string, string>;

/** No pool has this name. */
const NOBODY = '';

const ledgerOf = (pool: string, paused: readonly string[] = []): PoolLedger => {
  const ledger = new PoolLedger(pool);
  const pausedAt = instantOf(0);
  for (const executionId of paused) ledger.evolve({ type: 'ExecutionPaused', data: { executionId, pausedAt } });
  return ledger;
};

/** Which pools are in use: those with registered agents or open tasks. A fold of the log, changed in place (docs/adr/0002). */
export class PoolsInUse {
  /** Called when a pool comes into use, before anything else is known of it. */
  onNew: (pool: string) => void = () => {};
  readonly #agents: Members;
  readonly #tasks: Members = new Map();
  /** Agents and open tasks of each pool in use. */
  readonly #members = new Map<string, number>();
  /** Of a pool that nothing is ever in: it knows of executions what every ledger knows. */
  readonly #nobody: PoolLedger;
  readonly #controls = new PoolControls();

  constructor(snapshot?: PoolsSnapshot) {
    this.#agents = new Map(snapshot?.agents);
    this.#nobody = ledgerOf(NOBODY, snapshot?.paused);
    for (const event of snapshot?.controls ?? []) this.#controls.evolve(event);
    for (const pool of this.#agents.values()) this.#count(pool, 1);
  }

  snapshot(): PoolsSnapshot {
    return { agents: [...this.#agents], paused: this.#nobody.snapshot().paused, controls: this.#controls.events() };
  }

  takeParts(): PoolPart[] {
    const parts: { part: number; items: string[] }[] = [];
    const open = new Map<string, string[]>();
    for (const [taskId, pool] of this.#tasks) {
      let items = open.get(pool);
      if (items === undefined || items.length > TASKS_PER_PART) {
        items = [pool];
        open.set(pool, items);
        parts.push({ part: parts.length, items });
      }
      items.push(taskId);
    }
    return parts;
  }

  restorePart({ items: [pool, ...taskIds] }: PoolPart): void {
    if (pool === undefined) return;
    for (const taskId of taskIds) this.#tasks.set(taskId, pool);
    this.#count(pool, taskIds.length);
  }

  get pools(): string[] {
    return [...this.#members.keys()];
  }

  evolve(event: LedgerEvent): void {
    switch (event.type) {
      case 'AgentRegistered':
        this.#add(this.#agents, event.data.agentId, event.data.pool);
        return;
      case 'AgentDeregistered':
        this.#delete(this.#agents, event.data.agentId);
        return;
      case 'TaskSubmitted':
      case 'TaskRedriven':
        this.#add(this.#tasks, event.data.taskId, event.data.pool);
        return;
      case 'TaskCompleted':
      case 'TaskOutcomeUnknown':
      case 'TaskCancelled':
      case 'TaskFailed':
      case 'TaskDeadLettered':
        this.#delete(this.#tasks, event.data.taskId);
        return;
      default:
        if (isAdmissionEvent(event)) this.#controls.evolve(event);
        else if (event.type.startsWith('Execution')) this.#nobody.evolve(event);
        return;
    }
  }

  /** Nothing is due without an event. */
  nextDueMs(): undefined {
    return undefined;
  }

  /** What is in a stream that cannot be read keeps its pool in use. */
  halt(): void {}

  /** The ledger of a pool that comes into use now: it has no agents and no tasks. */
  newLedger(pool: string): PoolLedger {
    const ledger = ledgerOf(pool, this.#nobody.snapshot().paused);
    for (const event of eventsOf(pool, this.#controls.of(pool))) ledger.evolve(event);
    return ledger;
  }

  #add(members: Members, id: string, pool: string): void {
    if (members.has(id)) return;
    if (!this.#members.has(pool)) this.onNew(pool);
    members.set(id, pool);
    this.#count(pool, 1);
  }

  #delete(members: Members, id: string): void {
    const pool = members.get(id);
    if (pool === undefined) return;
    members.delete(id);
    this.#count(pool, -1);
  }

  #count(pool: string, by: number): void {
    const count = (this.#members.get(pool) ?? 0) + by;
    if (count === 0) this.#members.delete(pool);
    else this.#members.set(pool, count);
  }
}
