import type { Step } from '../workflow/compile.ts';
import type { Execution, Running } from './state.ts';
import { compensatedBy, isCompensation, parseUnit } from './unit.ts';
import type { UnitState } from './unit-state.ts';

export const stepNamed = ({ compiled }: Running, id: string): Step | undefined => {
  const index = compiled.indexOf.get(id);
  return index === undefined ? undefined : compiled.steps[index];
};

const unitStateOf = (execution: Running, key: string): UnitState | undefined => {
  if (isCompensation(key)) return execution.compensation?.units.get(compensatedBy(key))?.state;
  const unit = parseUnit(key);
  const step = unit && stepNamed(execution, unit.stepId);
  if (unit === undefined || step === undefined) return undefined;
  const state = execution.steps.get(step.index);
  if (unit.item === undefined) return state.unit;
  return state.items && unit.item < state.items.list.length ? state.items.units.get(unit.item) : undefined;
};

/** The unit's present task, when this is it. */
export const currentTask = (execution: Running, taskId: string) => {
  const key = execution.unitOf.get(taskId);
  const unit = key === undefined ? undefined : unitStateOf(execution, key);
  if (key === undefined || unit?.task?.submitted.taskId !== taskId) return undefined;
  return { key, unit, task: unit.task };
};

/** The lifecycle of one task of an execution, for callers that must know whether an attempt may run. */
export const taskOf = (execution: Execution, taskId: string) =>
  execution.status === 'none' ? undefined : currentTask(execution, taskId)?.task;
