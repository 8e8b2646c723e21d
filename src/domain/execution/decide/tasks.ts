import { ok, rejected } from '../../result.ts';
import { decideTask } from '../../task/decider.ts';
import { endsTask, type TaskEvent } from '../../task/events.ts';
import { judgeStep } from '../abort.ts';
import { advance } from '../advance.ts';
import type { CommandOf } from '../commands.ts';
import { park } from '../compensate.ts';
import type { Decision } from '../decision.ts';
import { errorOf } from '../errors.ts';
import { currentTask, stepNamed } from '../find.ts';
import type { Running } from '../state.ts';
import { Turn } from '../turn.ts';
import { compensatedBy, isCompensation, parseUnit } from '../unit.ts';

/** What the end of a task means for its step or compensation, and for the execution. */
const afterTask = (turn: Turn, key: string, events: readonly TaskEvent[]): void => {
  if (!events.some(({ type }) => endsTask(type))) return;
  if (isCompensation(key)) {
    const { state, status } = turn.state.compensation?.units.get(compensatedBy(key)) ?? {};
    if (state && status === 'open' && state.phase !== 'open' && state.phase !== 'completed')
      park(turn, compensatedBy(key), state.error ?? errorOf('UNDO_FAILED', 'the compensation ended without a result'));
  } else {
    const step = stepNamed(turn.state, parseUnit(key)?.stepId ?? '');
    if (step) judgeStep(turn, step, key);
  }
  advance(turn);
};

export const runTask = ({ taskId, command, now, routing }: CommandOf<'RunTask'>, execution: Running): Decision => {
  const current = currentTask(execution, taskId);
  if (current === undefined) return rejected({ reason: 'TaskNotFound' });
  const wanted = isCompensation(current.key) || execution.abort === undefined;
  const fails = command.type === 'FailAttempt' || command.type === 'GiveUpAttempt';
  const final = fails && !wanted ? { final: true } : {};
  const decision = decideTask({ ...command, ...final }, current.task);
  if (!decision.ok) return decision;
  const turn = new Turn(execution, now, routing);
  for (const event of decision.value) turn.emit(event);
  afterTask(turn, current.key, decision.value);
  return ok(turn);
};

export const releaseTask = (
  { taskId, attempt, held, now, routing }: CommandOf<'ReleaseTask'>,
  execution: Running,
): Decision => {
  const current = currentTask(execution, taskId);
  if (current === undefined || current.task.status !== 'open') return ok({ events: [], state: execution });
  if (execution.abort === undefined || isCompensation(current.key)) return ok({ events: [], state: execution });
  if (current.task.attempt !== attempt)
    return rejected({ reason: 'StaleAttempt', attempt, current: current.task.attempt });
  // Waits for an agent that works on it, unless that is to be told to stop.
  if (held && !execution.abort.interrupt) return ok({ events: [], state: execution });
  const decision = decideTask(
    { type: 'CancelTask', reason: 'the execution is aborting', ...(held ? { interrupted: true } : {}), now },
    current.task,
  );
  if (!decision.ok) return decision;
  const turn = new Turn(execution, now, routing);
  for (const event of decision.value) turn.emit(event);
  afterTask(turn, current.key, decision.value);
  return ok(turn);
};
