import { instantOf } from '../instant.ts';
import { type LedgerEvent, PoolLedger } from './ledger.ts';

/**
 * How many pools may be in use at a time. Each costs the process that leads it a lease, timers and snapshots, and every dispatcher a
 * connection to Redis. What would bring another one into use is refused.
 */
export const MAX_POOLS = 100;

export type PoolsSnapshot = {
  /** Registered agents, and open tasks, of each pool. */
  readonly agents: readonly (readonly [pool: string, agentIds: readonly string[]])[];
  readonly tasks: readonly (readonly [pool: string, taskIds: readonly string[]])[];
  readonly paused: readonly string[];
};

/** Raised with any change of what a snapshot holds or means. */
export const POOLS_VERSION = 1;

type Members = Map<string, string>;

const byPool = (members: Members): (readonly [string, readonly string[]])[] => {
  const pools = new Map<string, string[]>();
  for (const [id, pool] of members) {
    const known = pools.get(pool);
    if (known) known.push(id);
    else pools.set(pool, [id]);
  }
  return [...pools];
};

const membersOf = (pools: readonly (readonly [string, readonly string[]])[] = []): Members =>
  new Map(pools.flatMap(([pool, ids]) => ids.map((id) => [id, pool] as const)));

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
  readonly #tasks: Members;
  /** Agents and open tasks of each pool in use. */
  readonly #members = new Map<string, number>();
  /** Of a pool that nothing is ever in: it knows of executions what every ledger knows. */
  readonly #nobody: PoolLedger;

  constructor(snapshot?: PoolsSnapshot) {
    this.#agents = membersOf(snapshot?.agents);
    this.#tasks = membersOf(snapshot?.tasks);
    this.#nobody = ledgerOf(NOBODY, snapshot?.paused);
    for (const members of [this.#agents, this.#tasks]) for (const pool of members.values()) this.#count(pool, 1);
  }

  snapshot(): PoolsSnapshot {
    return { agents: byPool(this.#agents), tasks: byPool(this.#tasks), paused: this.#nobody.snapshot().paused };
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
        if (event.type.startsWith('Execution')) this.#nobody.evolve(event);
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
    return ledgerOf(pool, this.#nobody.snapshot().paused);
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
