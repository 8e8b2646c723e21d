import { childExecutionIdOf } from '../ids.ts';
import { plusMs } from '../instant.ts';
import type { Json } from '../json.ts';
import type { AttemptError } from '../task/events.ts';
import type { AgentNeed, Step } from '../workflow/compile.ts';
import { errorOf } from './errors.ts';
import { expressionFailed, fits, inputOf, scopeFor } from './inputs.ts';
import { nameOf, taskRedriven, taskSubmitted, type Work } from './new-task.ts';
import type { Room } from './room.ts';
import type { Running, StepState } from './state.ts';
import type { Turn } from './turn.ts';
import { unitKeyOf } from './unit.ts';
import type { UnitState } from './unit-state.ts';

const failStep = (turn: Turn, room: Room, step: Step, error: AttemptError): void => {
  room.takeBytes(error.message.length);
  room.takeEvent();
  turn.emit({
    type: 'StepFailed',
    data: { executionId: turn.state.executionId, stepId: step.id, error, failedAt: turn.now },
  });
};

const skipStep = (turn: Turn, room: Room, step: Step, reason: 'condition' | 'dependencies'): void => {
  room.takeEvent();
  turn.emit({
    type: 'StepSkipped',
    data: { executionId: turn.state.executionId, stepId: step.id, reason, skippedAt: turn.now },
  });
};

/** A step all of whose dependencies were skipped has nothing to work on, unless a person decided to go on without them. */
const isCutOff = (execution: Running, { index }: Step): boolean => {
  const dependencies = execution.compiled.plan.dependenciesOf(index);
  for (let at = 0; at < dependencies.length; at += 1) {
    const dependency = dependencies[at] as number;
    const { phase, passedOver } = execution.steps.get(dependency);
    if (passedOver) return false;
    const skipping = execution.compiled.steps[dependency]?.definition.onFailure === 'skip';
    if (phase !== 'skipped' && !((phase === 'failed' || phase === 'indeterminate') && skipping)) return false;
  }
  return dependencies.length > 0;
};

/** Whether the step is to run; false when it was skipped or failed instead. */
const mayRun = (turn: Turn, room: Room, step: Step): boolean => {
  if (isCutOff(turn.state, step)) {
    skipStep(turn, room, step, 'dependencies');
    return false;
  }
  if (step.when === undefined) return true;
  const result = step.when.evaluate(scopeFor(turn.state, step.when.taskIds), room.evaluation());
  if (result.ok && result.value === true) return true;
  if (result.ok && result.value === false) skipStep(turn, room, step, 'condition');
  else
    failStep(
      turn,
      room,
      step,
      expressionFailed(
        `when ${JSON.stringify(step.when.text)}: ${result.ok ? `gave ${JSON.stringify(result.value).slice(0, 80)}, not true or false` : result.rejection}`,
      ),
    );
  return false;
};

const workOf = (step: Step, key: string, input: Json): Work => ({
  key,
  agent: step.agent as AgentNeed,
  input,
  timeoutMs: step.definition.timeoutMs,
  retry: step.retry,
  priority: step.definition.priority,
  tags: step.definition.tags,
});

const hasOpenItems = ({ items }: StepState): boolean =>
  items !== undefined && [...items.units].some(({ phase }) => phase === 'open');

/** Starts the task of a step or of one of its items: its last task if that is to be tried again, otherwise a new one. */
const startUnit = (turn: Turn, room: Room, step: Step, unit: UnitState, item?: number) => {
  const again = taskRedriven(unit, turn.now);
  if (again) {
    room.take(null);
    return turn.emit(again);
  }
  const { items } = turn.state.steps.get(step.index);
  const input =
    item === undefined
      ? inputOf(turn.state, step, room.evaluation())
      : inputOf(turn.state, step, room.evaluation(), { value: items?.list[item] ?? null, index: item });
  if (!input.ok) {
    // Where others go on after the failure, they do so when nothing is done for the step any more.
    if (step.definition.onFailure === 'fail' || !hasOpenItems(turn.state.steps.get(step.index)))
      failStep(turn, room, step, input.rejection);
    return;
  }
  room.take(input.value);
  const key = unitKeyOf({ stepId: step.id, item, compensates: false });
  turn.emit(taskSubmitted(turn, workOf(step, key, input.value), unit.generation + 1));
};

/** The list that the step runs for. */
const expand = (turn: Turn, room: Room, step: Step) => {
  const { items } = step;
  if (items === undefined) return;
  const { executionId } = turn.state;
  const result = items.evaluate(scopeFor(turn.state, items.taskIds), room.evaluation());
  const maxItems = step.definition.forEach?.maxItems ?? 0;
  if (!result.ok)
    return failStep(turn, room, step, expressionFailed(`forEach ${JSON.stringify(items.text)}: ${result.rejection}`));
  const list = result.value;
  if (!Array.isArray(list))
    return failStep(
      turn,
      room,
      step,
      expressionFailed(`forEach ${JSON.stringify(items.text)}: gave ${typeof list}, not a list`),
    );
  if (list.length > maxItems)
    return failStep(
      turn,
      room,
      step,
      errorOf('TOO_MANY_ITEMS', `the list has ${list.length} items, maxItems is ${maxItems}`),
    );
  const sized = fits(list);
  if (!sized.ok) return failStep(turn, room, step, sized.rejection);
  room.take(list);
  turn.emit({ type: 'StepExpanded', data: { executionId, stepId: step.id, items: [...list], expandedAt: turn.now } });
};

const hasNothingToStart = ({ phase }: UnitState): boolean => phase === 'completed' || phase === 'open';

/** Starts items until there is no room; items that completed before a retry stay as they are. */
const startItems = (turn: Turn, room: Room, step: Step) => {
  for (;;) {
    const { items, phase } = turn.state.steps.get(step.index);
    if (items === undefined || phase === 'failed' || !room.has(turn.state)) return;
    let item = items.next;
    while (item < items.list.length && hasNothingToStart(items.units.get(item))) item += 1;
    if (item >= items.list.length) return;
    startUnit(turn, room, step, items.units.get(item), item);
    if (turn.state.steps.get(step.index).items?.units.get(item).phase !== 'open') return;
  }
};

const startWait = (turn: Turn, room: Room, step: Step) => {
  room.takeEvent();
  const { executionId, signals } = turn.state;
  const { waitFor, delayMs } = step.definition;
  const base = { executionId, stepId: step.id, since: turn.now };
  if (delayMs !== undefined)
    return turn.emit({
      type: 'StepWaiting',
      data: { ...base, kind: 'delay', dueAt: plusMs(turn.now, delayMs) },
    });
  if (waitFor === undefined) return;
  turn.emit({
    type: 'StepWaiting',
    data: {
      ...base,
      kind: waitFor.kind,
      name: waitFor.name,
      ...(waitFor.options === undefined ? {} : { options: waitFor.options }),
      ...(waitFor.timeoutMs === undefined ? {} : { dueAt: plusMs(turn.now, waitFor.timeoutMs) }),
    },
  });
  const signal = waitFor.kind === 'event' ? signals.find(({ name }) => name === waitFor.name) : undefined;
  if (signal) completeStep(turn, step.id, signal.payload);
};

export const completeStep = (turn: Turn, stepId: string, output: Json): void =>
  turn.emit({
    type: 'StepCompleted',
    data: { executionId: turn.state.executionId, stepId, output, completedAt: turn.now },
  });

const startChild = (turn: Turn, room: Room, step: Step) => {
  const { executionId, steps } = turn.state;
  const { workflow } = step.definition;
  if (workflow === undefined) return;
  const input = inputOf(turn.state, step, room.evaluation());
  if (!input.ok) return failStep(turn, room, step, input.rejection);
  const generation = steps.get(step.index).unit.generation + 1;
  room.take(input.value);
  turn.emit({
    type: 'StepWaiting',
    data: {
      executionId,
      stepId: step.id,
      kind: 'workflow',
      child: {
        executionId: childExecutionIdOf(executionId, nameOf(turn.state, step.id), generation),
        name: workflow.name,
        ...(workflow.version === undefined ? {} : { version: workflow.version }),
        input: input.value,
      },
      since: turn.now,
    },
  });
};

const startStep = (turn: Turn, room: Room, step: Step) => {
  const state = turn.state.steps.get(step.index);
  // A step with items that is to be tried again has its list already.
  if (state.items === undefined && !mayRun(turn, room, step)) return;
  switch (step.kind) {
    case 'agent':
      if (step.items === undefined) return startUnit(turn, room, step, state.unit);
      if (state.items === undefined) expand(turn, room, step);
      return startItems(turn, room, step);
    case 'workflow':
      return startChild(turn, room, step);
    default:
      return startWait(turn, room, step);
  }
};

/** A step whose failure is the execution's; undefined when there is none. */
export const fatalStep = (execution: Running, step: Step): AttemptError | undefined => {
  const { phase, unit } = execution.steps.get(step.index);
  const failed = phase === 'failed' || phase === 'indeterminate';
  if (!failed || step.definition.onFailure !== 'fail') return undefined;
  return unit.error ?? errorOf('STEP_FAILED', `step ${step.id} failed`);
};

/** Whether something is left that no end of a task would bring about. */
const isLeft = ({ ready, expanding, openTasks, openChildren, compiled }: Running): boolean =>
  openTasks + openChildren === 0
    ? ready.length + expanding.length > 0
    : ready.some((index) => compiled.steps[index]?.kind !== 'agent');

/**
 * Starts what may start, as far as there is room; steps that are skipped free others, which are then tried too. Answers whether more is to
 * be decided before anything else happens.
 *
 * @param onFatal a step could not even be started, and its failure is the execution's
 */
export const startReady = (turn: Turn, room: Room, onFatal: (step: Step, error: AttemptError) => void): boolean => {
  for (const index of turn.state.expanding) {
    const step = turn.state.compiled.steps[index] as Step;
    startItems(turn, room, step);
    const error = fatalStep(turn.state, step);
    if (error) {
      onFatal(step, error);
      return false;
    }
  }
  let progress = true;
  while (progress && room.takes()) {
    progress = false;
    for (const index of turn.state.ready) {
      if (!room.takes()) break;
      const step = turn.state.compiled.steps[index] as Step;
      if (step.kind === 'agent' && !room.has(turn.state)) continue;
      startStep(turn, room, step);
      progress ||= turn.state.steps.get(index).phase !== 'pending';
      const error = fatalStep(turn.state, step);
      if (error) {
        onFatal(step, error);
        return false;
      }
    }
  }
  return !room.takes() && isLeft(turn.state);
};

/** Starts a step with an input of a person's choice, as a new task. */
export const startWithInput = (turn: Turn, step: Step, input: Json) => {
  const { unit } = turn.state.steps.get(step.index);
  turn.emit(taskSubmitted(turn, workOf(step, step.id, input), unit.generation + 1));
};
