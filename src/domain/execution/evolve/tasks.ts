import type { Json } from '../../json.ts';
import { roughBytes } from '../../rough-bytes.ts';
import { endsTask, type TaskEvent } from '../../task/events.ts';
import { evolveTask } from '../../task/evolve.ts';
import { initialTask } from '../../task/state.ts';
import type { Step } from '../../workflow/compile.ts';
import type { ExecutionStreamEvent } from '../events.ts';
import { stepNamed } from '../find.ts';
import type { ItemsState, Running, StepState } from '../state.ts';
import { isCompensation, parseUnit } from '../unit.ts';
import type { UnitState } from '../unit-state.ts';
import { evolveCompensationTask } from './compensation.ts';
import { SAMPLE } from './sample.ts';
import { withStep } from './steps.ts';
import { isLost, isOpen, unitAfter } from './units.ts';

const UNIT_BYTES = 600;

/** A step that does one thing is what its unit is. */
const stepAfterUnit = (step: StepState, unit: UnitState, atMs: number): StepState => {
  const phase = unit.phase === 'idle' ? step.phase : unit.phase;
  return { ...step, unit, phase, endedMs: phase === 'open' ? undefined : atMs };
};

const endedItem = (unit: UnitState, onFailure: Step['definition']['onFailure']): boolean =>
  unit.phase === 'completed' || ((unit.phase === 'failed' || unit.phase === 'indeterminate') && onFailure !== 'fail');

const outputOfItems = ({ units }: ItemsState): Json =>
  [...units].map((unit) => (unit.phase === 'completed' ? unit.output : null));

/** A step with items has completed when all of them have ended, and failed when one of them failed it. */
const stepAfterItem = (
  step: StepState,
  items: ItemsState,
  unit: UnitState,
  { definition }: Step,
  atMs: number,
): StepState => {
  const failed = unit.phase === 'failed' || unit.phase === 'indeterminate';
  if (failed && definition.onFailure === 'fail')
    return {
      ...step,
      items,
      phase: 'failed',
      unit: { ...step.unit, phase: 'failed', error: unit.error },
      endedMs: atMs,
    };
  if (unit.phase === 'cancelled' && step.phase === 'open') return { ...step, items, phase: 'cancelled', endedMs: atMs };
  // A late answer may make good the failure of the last item that was missing.
  const mayComplete = step.phase === 'open' || step.phase === 'failed';
  if (items.ended < items.list.length || !mayComplete) return { ...step, items };
  const output = outputOfItems(items);
  const done: UnitState = { ...step.unit, phase: 'completed', output, error: undefined };
  return { ...step, items, phase: 'completed', unit: done, endedMs: atMs };
};

const AT = {
  TaskSubmitted: 'submittedAt',
  TaskAttemptStarted: 'startedAt',
  TaskProgressReported: 'reportedAt',
  TaskAttemptFailed: 'failedAt',
  TaskOutcomeUnknown: 'occurredAt',
  TaskUnblocked: 'unblockedAt',
  TaskCompleted: 'completedAt',
  TaskCancelled: 'cancelledAt',
  TaskFailed: 'failedAt',
  TaskDeadLettered: 'deadLetteredAt',
  TaskRedriven: 'redrivenAt',
} as const satisfies Record<TaskEvent['type'], string>;

const instantMs = (event: TaskEvent): number =>
  Date.parse((event.data as Record<string, unknown>)[AT[event.type]] as string);

/** A lost task that answers after its effect was settled: the answer is kept, and nothing follows from it. */
const comesTooLate = (execution: Running, unit: UnitState, event: TaskEvent): boolean =>
  event.type === 'TaskCompleted' && isLost(unit) && execution.compensation !== undefined;

const evolveItem = (execution: Running, step: Step, item: number, event: TaskEvent): Running => {
  const before = execution.steps.get(step.index);
  if (before.items === undefined || item >= before.items.list.length) return execution;
  const { onFailure } = step.definition;
  const unit = before.items.units.get(item);
  const after = comesTooLate(execution, unit, event)
    ? { ...unit, task: evolveTask(unit.task ?? initialTask(), event) as NonNullable<UnitState['task']> }
    : unitAfter(unit, event, execution.nextSeq);
  const items: ItemsState = {
    ...before.items,
    units: before.items.units.with(item, after),
    next: after.phase === 'open' ? Math.max(before.items.next, item + 1) : before.items.next,
    ended: before.items.ended + Number(endedItem(after, onFailure)) - Number(endedItem(unit, onFailure)),
  };
  const reopened = after.phase === 'open' && unit.phase !== 'open' ? { ...before, phase: 'open' as const } : before;
  const settled =
    after.phase === unit.phase ? { ...reopened, items } : stepAfterItem(reopened, items, after, step, instantMs(event));
  const next = withStep(execution, step, settled);
  return { ...next, openTasks: next.openTasks + isOpen(after) - isOpen(unit) };
};

const evolveStepTask = (execution: Running, step: Step, event: TaskEvent): Running => {
  const before = execution.steps.get(step.index);
  if (comesTooLate(execution, before.unit, event)) {
    const task = evolveTask(before.unit.task ?? initialTask(), event);
    return task.status === 'none'
      ? execution
      : withStep(execution, step, { ...before, unit: { ...before.unit, task } });
  }
  const unit = unitAfter(before.unit, event, execution.nextSeq);
  const settled =
    unit.phase === before.unit.phase ? { ...before, unit } : stepAfterUnit(before, unit, instantMs(event));
  const next = withStep(execution, step, settled);
  return { ...next, openTasks: next.openTasks + isOpen(unit) - isOpen(before.unit) };
};

export const evolveTaskEvent = (execution: Running, event: TaskEvent): Running => {
  const { taskId } = event.data;
  const key = event.type === 'TaskSubmitted' ? event.data.unit : execution.unitOf.get(taskId);
  const unit = key === undefined ? undefined : parseUnit(key);
  if (key === undefined || unit === undefined) return execution;
  let next = execution;
  if (event.type === 'TaskSubmitted') {
    execution.unitOf.set(taskId, key);
    next = { ...next, bytes: next.bytes + UNIT_BYTES + roughBytes(event.data.input, SAMPLE) };
  }
  if (event.type === 'TaskCompleted') next = { ...next, bytes: next.bytes + roughBytes(event.data.result, SAMPLE) };
  const step = isCompensation(key) ? undefined : stepNamed(next, unit.stepId);
  if (isCompensation(key)) next = evolveCompensationTask(next, key, event);
  else if (step === undefined) return execution;
  else next = unit.item === undefined ? evolveStepTask(next, step, event) : evolveItem(next, step, unit.item, event);
  return endsTask(event.type) ? { ...next, nextSeq: next.nextSeq + 1 } : next;
};

export const isTaskEvent = (event: ExecutionStreamEvent): event is TaskEvent => event.type in AT;
