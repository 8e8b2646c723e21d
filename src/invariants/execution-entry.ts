import type { CompensationStrategy } from '../domain/workflow/definition.ts';
import type { Position } from '../eventstore/event-store.ts';
import type { PinnedWorkflow } from './pinned-workflow.ts';

/** `aborting`: from the abort until what is owed is settled. */
export type ExecutionEntryStatus =
  | 'executing'
  | 'aborting'
  | 'compensating'
  | 'compensation_failed'
  | 'completed'
  | 'failed'
  | 'cancelled'
  | 'compensated';

/** What a step did without an agent. What its agents did stands in its units. */
export type StepEntry = {
  own: 'none' | 'waiting' | 'completed' | 'failed' | 'skipped' | 'cancelled';
  waitKind: 'delay' | 'event' | 'decision' | 'workflow' | undefined;
  /** The event had come before the step waited for it. */
  cameBefore: boolean;
  childId: string | undefined;
  /** How many items its list has, once that is known. */
  items: number | undefined;
  /** Taken over from another execution, which has to undo it. */
  reused: boolean;
  endedAt: Position;
};

/** A step, one of its items, or the undo of either, as the tasks that were made for it left it. */
export type UnitEntry = {
  taskId: string;
  phase: 'open' | 'completed' | 'failed' | 'indeterminate' | 'cancelled';
  /** An attempt of any of its tasks may have had an effect that nobody knows of. */
  uncertain: boolean;
  endedAt: Position;
};

export type UndoEntry = {
  readonly unit: string;
  ended: 'no' | 'parked' | 'completed' | 'skipped';
  /** It has failed for good at some time; a person may have had it tried again since. */
  hasFailed: boolean;
};

export type AbortEntry = {
  readonly reason: 'step_failed' | 'cancelled' | 'deadline_passed';
  readonly unit: string | undefined;
  readonly compensate: boolean;
  readonly strategy: CompensationStrategy;
};

export type ExecutionEntry = {
  readonly tenant: string;
  readonly executionId: string;
  readonly parent: { readonly executionId: string; readonly unit: string } | undefined;
  workflow: PinnedWorkflow;
  status: ExecutionEntryStatus;
  paused: boolean;
  readonly steps: Map<string, StepEntry>;
  units: Map<string, UnitEntry>;
  /** Unit of each task, under its present name. */
  unitOf: Map<string, string>;
  readonly openTasks: Set<string>;
  abort: AbortEntry | undefined;
  /** The command that reopened it: it may start a step even while the execution is paused. */
  reopenedBy: string | undefined;
  /** From the moment at which compensation starts. */
  undos: Map<string, UndoEntry> | undefined;
  /** Events that no step has taken, by name. */
  readonly signals: Map<string, number>;
  output: unknown;
};

export const newStep = (): StepEntry => ({
  own: 'none',
  waitKind: undefined,
  cameBefore: false,
  childId: undefined,
  items: undefined,
  reused: false,
  endedAt: -1n,
});

/** `resize[3]` and `~resize[3]` are of the step `resize`. */
export const stepOfUnit = (unit: string): string => unit.replace(/^~/, '').replace(/\[\d+\]$/, '');
export const isUndo = (unit: string): boolean => unit.startsWith('~');

const toleratesFailure = ({ workflow }: ExecutionEntry, stepId: string): boolean =>
  (workflow.steps.get(stepId)?.onFailure ?? 'fail') !== 'fail';

/** What depends on the step may start. */
export const endedWell = (execution: ExecutionEntry, stepId: string): boolean => {
  const step = execution.steps.get(stepId);
  if (step === undefined) return false;
  if (step.own === 'completed' || step.own === 'skipped') return true;
  const tolerates = toleratesFailure(execution, stepId);
  if (step.own === 'failed') return tolerates;
  const ended = (unit: string): boolean => {
    const phase = execution.units.get(unit)?.phase;
    return phase === 'completed' || (tolerates && (phase === 'failed' || phase === 'indeterminate'));
  };
  if (step.items === undefined) return ended(stepId);
  for (let item = 0; item < step.items; item += 1) if (!ended(`${stepId}[${item}]`)) return false;
  return true;
};

const isUncertain = (execution: ExecutionEntry, stepId: string): boolean =>
  execution.units.get(stepId)?.uncertain === true;

/** Once a pivot has taken effect there is no way back, nor while nobody knows whether it has. */
export const noWayBack = (execution: ExecutionEntry): boolean =>
  [...execution.workflow.steps.values()].some(({ id, pivot }) => {
    if (!pivot) return false;
    const completed = execution.units.get(id)?.phase === 'completed' || execution.steps.get(id)?.own === 'completed';
    return completed || isUncertain(execution, id);
  });

/** S11: units that are owed an undo, and by which position they ended. */
export const owedUnits = (execution: ExecutionEntry): ReadonlyMap<string, Position> => {
  const owed = new Map<string, Position>();
  const { abort, workflow, steps, units } = execution;
  // Who cancels may choose not to undo; nobody else may.
  if (abort === undefined || (abort.reason === 'cancelled' && !abort.compensate) || noWayBack(execution)) return owed;
  const failed = abort.unit === undefined ? undefined : stepOfUnit(abort.unit);
  for (const stepId of workflow.undoneBy(abort.strategy, failed)) {
    const step = steps.get(stepId);
    if (step === undefined || step.reused) continue;
    const keys =
      step.items === undefined ? [stepId] : Array.from({ length: step.items }, (_, item) => `${stepId}[${item}]`);
    for (const key of keys) {
      const unit = units.get(key);
      if (unit && (unit.phase === 'completed' || unit.uncertain)) owed.set(key, unit.endedAt);
      // A sub-workflow: no task was made for it.
      else if (unit === undefined && step.items === undefined && step.own === 'completed') owed.set(key, step.endedAt);
    }
  }
  return owed;
};
