import { assertNever } from '../../result.ts';
import type { TaskEvent } from '../../task/events.ts';
import { evolveTask } from '../../task/evolve.ts';
import { initialTask, type Task } from '../../task/state.ts';
import type { UnitState } from '../unit-state.ts';

/** Nobody waits for its task any more, which may still answer. */
export const isLost = ({ task }: UnitState): boolean => task?.status === 'indeterminate';

/** What a task's event makes of the unit that the task is for. */
export const unitAfter = (unit: UnitState, event: TaskEvent, seq: number): UnitState => {
  const before: Task = event.type === 'TaskSubmitted' ? initialTask() : (unit.task ?? initialTask());
  const task = evolveTask(before, event);
  if (task.status === 'none') return unit;
  const next = { ...unit, task };
  switch (event.type) {
    case 'TaskSubmitted':
      return { ...next, phase: 'open', generation: unit.generation + 1, error: undefined };
    case 'TaskRedriven':
      return { ...next, phase: 'open', error: undefined };
    case 'TaskAttemptFailed': {
      const { durationMs, failedAt, error } = event.data;
      const endMs = Date.parse(failedAt);
      const spans = durationMs === undefined ? unit.spans : [...unit.spans, [endMs - durationMs, endMs] as const];
      return { ...next, spans, uncertain: unit.uncertain || error.outcomeUnknown === true };
    }
    case 'TaskOutcomeUnknown':
      return { ...next, phase: 'indeterminate', uncertain: true, error: event.data.error, seq };
    case 'TaskFailed':
    case 'TaskDeadLettered':
      return { ...next, phase: 'failed', error: event.data.error, seq };
    case 'TaskCancelled':
      return { ...next, phase: 'cancelled', uncertain: unit.uncertain || event.data.interrupted === true, seq };
    case 'TaskCompleted': {
      const { result, agentId, durationMs, completedAt } = event.data;
      const endMs = Date.parse(completedAt);
      const spans = [...unit.spans, [endMs - durationMs, endMs] as const];
      // Steps that depend on it may have gone on meanwhile: it keeps its place before them in the order of compensation.
      const endedAs = isLost(unit) ? unit.seq : seq;
      return { ...next, phase: 'completed', output: result, agentId, error: undefined, seq: endedAs, spans };
    }
    case 'TaskAttemptStarted':
    case 'TaskProgressReported':
    case 'TaskUnblocked':
      return next;
    default:
      return assertNever(event);
  }
};

export const isOpen = ({ phase }: UnitState): number => (phase === 'open' ? 1 : 0);
