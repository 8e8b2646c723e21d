import type { AdmissionEvent } from '../admission/events.ts';
import type { AgentEvent } from '../agent/events.ts';
import type { ExecutionEvent } from '../execution/events.ts';
import type { TaskEvent } from '../task/events.ts';
import type { AgentEntry } from './agent-entry.ts';
import type { PoolEvent } from './events.ts';
import type { RoutingMemorySnapshot } from './routing-memory.ts';

/** What the ledger of a pool is a fold of. */
export type LedgerEvent = TaskEvent | AgentEvent | PoolEvent | AdmissionEvent | ExecutionEvent;

/** Without the open tasks, which are in parts. */
export type LedgerSnapshot = {
  readonly version: typeof SNAPSHOT_VERSION;
  readonly agents: readonly AgentEntry[];
  readonly memory: RoutingMemorySnapshot;
  readonly paused: readonly string[];
  /** What leads to the control of the pool, where people have decided anything. */
  readonly control?: readonly AdmissionEvent[];
};

/** Raised with any change of what a snapshot holds or means; older ones are then ignored and the log is read instead. */
export const SNAPSHOT_VERSION = 15;
