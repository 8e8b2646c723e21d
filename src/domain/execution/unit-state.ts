import type { Json } from '../json.ts';
import type { AttemptError } from '../task/events.ts';
import type { Task } from '../task/state.ts';

type KnownTask = Exclude<Task, { status: 'none' }>;

/** When something was worked on or waited for, in milliseconds since the epoch. */
export type Span = readonly [fromMs: number, toMs: number];

/** Something that a task is run for: a step, one item of a step, or a compensation. */
export type UnitState = {
  /** `idle`: no task yet, or its task is to be tried again. `failed`, `cancelled` and `indeterminate` are how it ended without a result. */
  readonly phase: 'idle' | 'open' | 'completed' | 'failed' | 'cancelled' | 'indeterminate';
  /** Tasks made for it. */
  readonly generation: number;
  readonly task: KnownTask | undefined;
  readonly output: Json;
  readonly agentId: string | undefined;
  readonly error: AttemptError | undefined;
  /** An attempt may have had an effect that nobody knows of: it is compensated as if it had completed. */
  readonly uncertain: boolean;
  /** Order in which units ended; `backward` reverses it. */
  readonly seq: number;
  readonly spans: readonly Span[];
};

export const IDLE: UnitState = {
  phase: 'idle',
  generation: 0,
  task: undefined,
  output: null,
  agentId: undefined,
  error: undefined,
  uncertain: false,
  seq: -1,
  spans: [],
};

export const COMPENSATION_STATUSES = ['pending', 'open', 'completed', 'parked', 'skipped'] as const;
export type CompensationStatus = (typeof COMPENSATION_STATUSES)[number];

/** The compensation of one unit. */
export type UnitCompensation = {
  /** Key of the unit that is compensated. */
  readonly unit: string;
  /** Keys of units to be compensated before it. */
  readonly after: readonly string[];
  readonly status: CompensationStatus;
  /** A person takes care of it; until they are done it stays `parked`. */
  readonly handedOverTo: string | undefined;
  readonly state: UnitState;
};
