import type { Json } from '../json.ts';
import { PersistentVector } from '../structures/persistent-vector.ts';
import type { AttemptError } from '../task/events.ts';
import type { Workflow } from '../workflow/compile.ts';
import type { CompensationStrategy } from '../workflow/definition.ts';
import type { Compensations } from './compensations.ts';
import type { WorkflowRef } from './events.ts';
import { IDLE, type UnitState } from './unit-state.ts';

export type Waiting = {
  readonly kind: 'delay' | 'event' | 'decision' | 'workflow';
  readonly name: string | undefined;
  readonly options: readonly string[] | undefined;
  readonly dueMs: number | undefined;
  readonly childId: string | undefined;
  readonly sinceMs: number;
};

/** The phases of a step, in the order in which an overview counts them. `indeterminate`: nobody knows whether it took effect. */
export const STEP_PHASES = [
  'pending',
  'open',
  'waiting',
  'completed',
  'failed',
  'skipped',
  'cancelled',
  'indeterminate',
] as const;
export type StepPhase = (typeof STEP_PHASES)[number];

export type StepState = {
  readonly phase: StepPhase;
  /** Dependencies that have not ended. */
  readonly missing: number;
  /** For a step that does one thing. Its output and error are the step's, also where no agent was involved. */
  readonly unit: UnitState;
  /** For a step that runs for each item of a list. */
  readonly items: ItemsState | undefined;
  readonly waiting: Waiting | undefined;
  /** Of a completed sub-workflow. */
  readonly childId: string | undefined;
  /** A person decided to go on without it: what depends on it runs, without its output. */
  readonly passedOver: boolean;
  /** The outcome was taken over from the execution that this one was forked from. */
  readonly reused: boolean;
  readonly endedMs: number | undefined;
};

export type ItemsState = {
  readonly list: readonly Json[];
  readonly units: PersistentVector<UnitState>;
  /** The next one to be started. */
  readonly next: number;
  readonly ended: number;
};

export type Abort = {
  readonly reason: 'step_failed' | 'cancelled' | 'deadline_passed';
  readonly unit: string | undefined;
  readonly error: AttemptError | undefined;
  readonly comment: string | undefined;
  readonly compensate: boolean;
  readonly strategy: CompensationStrategy;
  readonly interrupt: boolean;
};

export type Compensation = {
  readonly strategy: CompensationStrategy;
  readonly units: Compensations;
  /** How many there will be; absent when the plan was recorded at once. */
  readonly owed: number | undefined;
};

/** requirements 1.4. `planning` is over when the first event is appended. */
export const EXECUTION_STATUSES = [
  'planning',
  'executing',
  'paused',
  'compensating',
  'completed',
  'failed',
  'compensated',
  'compensation_failed',
  'cancelled',
] as const;
export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number];

export type Running = {
  readonly status: Exclude<ExecutionStatus, 'planning' | 'paused'>;
  readonly executionId: string;
  readonly workflow: WorkflowRef;
  readonly compiled: Workflow;
  readonly input: Json;
  readonly inputs: Readonly<Record<string, Json>>;
  readonly tags: readonly string[];
  readonly startedMs: number;
  readonly endedMs: number | undefined;
  readonly deadlineMs: number | undefined;
  readonly parent: { readonly executionId: string; readonly unit: string } | undefined;
  readonly forkedFrom: { readonly executionId: string; readonly revision: number } | undefined;
  readonly paused: boolean;
  readonly steps: PersistentVector<StepState>;
  /** Steps that may start: every dependency has ended. In the order in which that came about. */
  readonly ready: readonly number[];
  /** Steps that run for a list of which some items have not started. */
  readonly expanding: readonly number[];
  /** Tasks that an agent holds or may get. */
  readonly openTasks: number;
  /** Sub-workflows that have not ended. */
  readonly openChildren: number;
  /** Steps that have not ended. */
  readonly unfinished: number;
  readonly nextSeq: number;
  readonly pivotPassed: boolean;
  /** Events from outside that no step has taken yet. */
  readonly signals: readonly { readonly name: string; readonly payload: Json }[];
  readonly abort: Abort | undefined;
  readonly compensation: Compensation | undefined;
  readonly output: Json;
  readonly error: AttemptError | undefined;
  /**
   * Unit of each task ever made. Shared by all later states and only added to: the same task is always for the same unit, so that a state
   * that sees an entry of a later one learns nothing wrong from it.
   */
  readonly unitOf: Map<string, string>;
  /** The last decision was more than one append took. */
  readonly continues: true | undefined;
  /** Changes of definition so far. */
  readonly migrations: number;
  /** Rough size in memory, for caches. */
  readonly bytes: number;
};

export type Execution = { readonly status: 'none' } | Running;

export const initialExecution = (): Execution => ({ status: 'none' });

export const newStep = (missing: number): StepState => ({
  phase: 'pending',
  missing,
  unit: IDLE,
  items: undefined,
  waiting: undefined,
  childId: undefined,
  passedOver: false,
  reused: false,
  endedMs: undefined,
});

export const statusOf = (execution: Running): ExecutionStatus => {
  if (execution.paused && (execution.status === 'executing' || execution.status === 'compensating')) return 'paused';
  return execution.status;
};

/** States that only a person's command leaves, or nothing at all. */
const ENDED: ReadonlySet<ExecutionStatus> = new Set(['completed', 'failed', 'compensated', 'cancelled']);
export const hasEnded = (execution: Running): boolean => ENDED.has(execution.status);

/** States that nothing leaves. */
const FINAL: ReadonlySet<ExecutionStatus> = new Set(['completed', 'compensated', 'cancelled']);
export const isFinal = (execution: Execution): boolean => execution.status !== 'none' && FINAL.has(execution.status);

export const itemsOf = (list: readonly Json[]): ItemsState => ({
  list,
  units: PersistentVector.from(list.length, () => IDLE),
  next: 0,
  ended: 0,
});

/** Whether what depends on the step may start: it ended, and its failure (if it is one) is not the execution's. */
export const isSatisfied = ({ phase }: StepState, onFailure: 'fail' | 'skip' | 'continue'): boolean =>
  phase === 'completed' ||
  phase === 'skipped' ||
  ((phase === 'failed' || phase === 'indeterminate') && onFailure !== 'fail');
