import type { CompensationStrategy } from '../domain/workflow/definition.ts';
import type { Position } from '../eventstore/event-store.ts';
import type { PinnedWorkflow } from './pinned-workflow.ts';

/** `aborting`: from the abort until it is settled what must be compensated. */
export type ExecutionEntryStatus =
  | 'executing'
  | 'aborting'
  | 'compensating'
  | 'compensation_failed'
  | 'completed'
  | 'failed'
  | 'cancelled'
  | 'compensated';

/** What a step did without an agent. What its agents did is in its units. */
export type StepEntry = {
  own: 'none' | 'waiting' | 'completed' | 'failed' | 'skipped' | 'cancelled';
  waitKind: 'delay' | 'event' | 'decision' | 'workflow' | undefined;
  /** The event had come before the step waited for it. */
  cameBefore: boolean;
  childId: string | undefined;
  /** Number of items in its list, once the list is known. */
  items: number | undefined;
  /** Taken over from another execution, which has to compensate it. */
  reused: boolean;
  endedAt: Position;
};

/** A step, one of its items, or the compensation of either, as its tasks left it. */
export type UnitEntry = {
  taskId: string;
  phase: 'open' | 'completed' | 'failed' | 'indeterminate' | 'cancelled';
  /** An attempt of one of its tasks may have had an unknown effect. */
  uncertain: boolean;
  endedAt: Position;
};

export type CompensationEntry = {
  readonly unit: string;
  ended: 'no' | 'parked' | 'completed' | 'skipped';
  /** It has failed permanently once; a person may have retried it since. */
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
  /** Unit of each task, under its current name. */
  unitOf: Map<string, string>;
  readonly openTasks: Set<string>;
  abort: AbortEntry | undefined;
  /** The command that reopened it: it may start a step even while the execution is paused. */
  reopenedBy: string | undefined;
  /** Undefined until compensation starts. */
  compensations: Map<string, CompensationEntry> | undefined;
  /** Number of events that no step has consumed yet, by name. */
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

/** `resize[3]` and `~resize[3]` belong to the step `resize`. */
export const stepOfUnit = (unit: string): string => unit.replace(/^~/, '').replace(/\[\d+\]$/, '');
export const isCompensation = (unit: string): boolean => unit.startsWith('~');

const toleratesFailure = ({ workflow }: ExecutionEntry, stepId: string): boolean =>
  (workflow.steps.get(stepId)?.onFailure ?? 'fail') !== 'fail';

/** Whether the steps that depend on this one may start. */
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

/** Once a pivot has taken effect, or may have, there is no way back. */
export const noWayBack = (execution: ExecutionEntry): boolean =>
  [...execution.workflow.steps.values()].some(({ id, pivot }) => {
    if (!pivot) return false;
    const completed = execution.units.get(id)?.phase === 'completed' || execution.steps.get(id)?.own === 'completed';
    return completed || isUncertain(execution, id);
  });

/** S11: units that must be compensated, with the position at which each ended. */
export const unitsToCompensate = (execution: ExecutionEntry): ReadonlyMap<string, Position> => {
  const due = new Map<string, Position>();
  const { abort, workflow, steps, units } = execution;
  // Whoever cancels may choose not to compensate; nobody else may.
  if (abort === undefined || (abort.reason === 'cancelled' && !abort.compensate) || noWayBack(execution)) return due;
  const failed = abort.unit === undefined ? undefined : stepOfUnit(abort.unit);
  for (const stepId of workflow.compensatedBy(abort.strategy, failed)) {
    const step = steps.get(stepId);
    if (step === undefined || step.reused) continue;
    const keys =
      step.items === undefined ? [stepId] : Array.from({ length: step.items }, (_, item) => `${stepId}[${item}]`);
    for (const key of keys) {
      const unit = units.get(key);
      if (unit && (unit.phase === 'completed' || unit.uncertain)) due.set(key, unit.endedAt);
      // A sub-workflow: it has no task.
      else if (unit === undefined && step.items === undefined && step.own === 'completed') due.set(key, step.endedAt);
    }
  }
  return due;
};
