import { childExecutionIdOf, executionTaskIdOf } from '../ids.ts';
import { plusMs } from '../instant.ts';
import { byteLengthOf, type Json, MAX_PAYLOAD_BYTES } from '../json.ts';
import { ok, type Result, rejected } from '../result.ts';
import type { RetryPolicy } from '../retry.ts';
import { roughBytes } from '../rough-bytes.ts';
import { decideTask } from '../task/decider.ts';
import type { AttemptError, TaskEvent } from '../task/events.ts';
import type { AgentNeed, Step } from '../workflow/compile.ts';
import type { Scope } from '../workflow/expression.ts';
import type { Template } from '../workflow/template.ts';
import { errorOf } from './evolve.ts';
import type { Running, StepState, UnitState } from './state.ts';
import type { Turn } from './turn.ts';
import { compensationOf, parseUnit, unitKeyOf } from './unit.ts';

/**
 * Rough bytes that one decision may add by starting steps: with a result of 256 KiB and everything in three-byte characters its append
 * stays below the store's 1 MiB. What is left starts with the next decision.
 */
const START_BYTES = 192 * 1024;
/** Of a task's first event without its input: 1,000 starts at once would leave no room for a result. */
const EVENT_BYTES = 600;
/** Below this many rough bytes a payload cannot exceed its limit: a character takes at most 6 bytes of JSON (`\u001f`). */
const SURELY_SMALL = MAX_PAYLOAD_BYTES / 6;
/** Above this many it must: a value counts for 16, and takes at least 2 bytes. Its JSON could be longer than a string can be. */
const SURELY_LARGE = MAX_PAYLOAD_BYTES * 8;

const fits = (value: Json): Result<Json, AttemptError> => {
  const rough = roughBytes(value);
  if (rough <= SURELY_SMALL) return ok(value);
  const bytes = rough > SURELY_LARGE ? rough : byteLengthOf(value);
  if (bytes <= MAX_PAYLOAD_BYTES) return ok(value);
  const size = rough > SURELY_LARGE ? 'far too many' : String(bytes);
  return rejected(
    errorOf('INPUT_TOO_LARGE', `the input has ${size} bytes of JSON, at most ${MAX_PAYLOAD_BYTES} are passed on`),
  );
};

const outcomeOf = ({ phase, unit, items }: StepState): { readonly output: Json; readonly status: string } => ({
  output: items === undefined || phase === 'completed' ? unit.output : null,
  status: phase,
});

const scopeFor = (
  execution: Running,
  taskIds: Iterable<string>,
  extra: Partial<Pick<Scope, 'item' | 'index' | 'self'>> = {},
): Scope => {
  const tasks: Record<string, { readonly output: Json; readonly status: string }> = {};
  for (const id of taskIds) {
    const index = execution.compiled.indexOf.get(id);
    if (index !== undefined) tasks[id] = outcomeOf(execution.steps.get(index));
  }
  const { executionId, input } = execution;
  return { input, tasks, execution: { id: executionId }, item: null, index: null, self: null, ...extra };
};

const expressionFailed = (message: string): AttemptError => errorOf('EXPRESSION_FAILED', message);

export const render = (
  execution: Running,
  template: Template,
  extra: Partial<Pick<Scope, 'item' | 'index' | 'self'>> = {},
): Result<Json, AttemptError> => {
  const ids = template.expressions.flatMap(({ taskIds }) => taskIds);
  const rendered = template.render(scopeFor(execution, ids, extra));
  return rendered.ok ? fits(rendered.value) : rejected(expressionFailed(rendered.rejection));
};

/** A root gets what the execution got; another step the outputs of what it depends on. */
const defaultInput = (execution: Running, { definition }: Step): Json => {
  if (definition.dependsOn.length === 0) return execution.input;
  const outputs: Record<string, Json> = {};
  for (const id of definition.dependsOn) {
    const index = execution.compiled.indexOf.get(id);
    if (index !== undefined) outputs[id] = outcomeOf(execution.steps.get(index)).output;
  }
  return outputs;
};

const inputOf = (
  execution: Running,
  step: Step,
  item?: { readonly value: Json; readonly index: number },
): Result<Json, AttemptError> => {
  const given = Object.hasOwn(execution.inputs, step.id) ? execution.inputs[step.id] : undefined;
  if (given !== undefined) return ok(given);
  if (step.input)
    return render(execution, step.input, item === undefined ? {} : { item: item.value, index: item.index });
  return fits(item === undefined ? defaultInput(execution, step) : item.value);
};

type Work = {
  readonly key: string;
  readonly agent: AgentNeed;
  readonly input: Json;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly priority: number;
  readonly tags: readonly string[];
};

/** What ids are made from. After a migration a name may be that of what was another step before. */
const nameOf = ({ migrations }: Running, key: string): string => (migrations === 0 ? key : `${key}@${migrations}`);

const taskSubmitted = (execution: Running, work: Work, generation: number, now: string): TaskEvent => ({
  type: 'TaskSubmitted',
  data: {
    taskId: executionTaskIdOf(execution.executionId, nameOf(execution, work.key), generation),
    pool: work.agent.pool,
    capability: work.agent.capability,
    ...(work.agent.versionRange === undefined ? {} : { versionRange: work.agent.versionRange }),
    input: work.input,
    priority: work.priority,
    strategy: work.agent.strategy,
    retry: work.retry,
    timeoutMs: work.timeoutMs,
    tags: [...work.tags],
    executionId: execution.executionId,
    unit: work.key,
    submittedAt: now,
  },
});

/** Sends a task that has ended without a result back to work, as the same task. */
const taskRedriven = ({ task }: UnitState, now: string): TaskEvent | undefined => {
  const decision = task && decideTask({ type: 'RedriveTask', now }, task);
  return decision?.ok ? decision.value[0] : undefined;
};

/** Room for new tasks within one decision: their number and their bytes. */
export class Room {
  readonly #maxParallel: number;
  #bytes = START_BYTES;

  constructor({ compiled }: Running) {
    this.#maxParallel = compiled.definition.coordination.maxParallel;
  }

  /** Where nothing is open there is always room, so that an execution never stands still for lack of it. */
  has(execution: Running): boolean {
    return execution.openTasks < this.#maxParallel && this.takes(execution);
  }

  /** Whether the append takes more; for what is not done by agents. */
  takes({ openTasks, openChildren }: Running): boolean {
    return this.#bytes > 0 || openTasks + openChildren === 0;
  }

  take(payload: Json): void {
    this.#bytes -= roughBytes(payload) + EVENT_BYTES;
  }
}

const failStep = (turn: Turn, step: Step, error: AttemptError): void =>
  turn.emit({
    type: 'StepFailed',
    data: { executionId: turn.state.executionId, stepId: step.id, error, failedAt: turn.now },
  });

const skipStep = (turn: Turn, step: Step, reason: 'condition' | 'dependencies'): void =>
  turn.emit({
    type: 'StepSkipped',
    data: { executionId: turn.state.executionId, stepId: step.id, reason, skippedAt: turn.now },
  });

/** A step all of whose dependencies were skipped has nothing to work on, except where a person said to go on without them. */
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
const mayRun = (turn: Turn, step: Step): boolean => {
  if (isCutOff(turn.state, step)) {
    skipStep(turn, step, 'dependencies');
    return false;
  }
  if (step.when === undefined) return true;
  const result = step.when.evaluate(scopeFor(turn.state, step.when.taskIds));
  if (result.ok && result.value === true) return true;
  if (result.ok && result.value === false) skipStep(turn, step, 'condition');
  else
    failStep(
      turn,
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

/** Starts the task of a step or of one of its items: the one it had when that is to be tried again, else a new one. */
const startUnit = (turn: Turn, room: Room, step: Step, unit: UnitState, item?: number) => {
  const again = taskRedriven(unit, turn.now);
  if (again) {
    room.take(null);
    return turn.emit(again);
  }
  const { items } = turn.state.steps.get(step.index);
  const input =
    item === undefined
      ? inputOf(turn.state, step)
      : inputOf(turn.state, step, { value: items?.list[item] ?? null, index: item });
  if (!input.ok) {
    // Where others go on after the failure, they do so when nothing is done for the step any more.
    if (step.definition.onFailure === 'fail' || !hasOpenItems(turn.state.steps.get(step.index)))
      failStep(turn, step, input.rejection);
    return;
  }
  room.take(input.value);
  const key = unitKeyOf({ stepId: step.id, item, compensates: false });
  turn.emit(taskSubmitted(turn.state, workOf(step, key, input.value), unit.generation + 1, turn.now));
};

/** The list that the step runs for. */
const expand = (turn: Turn, room: Room, step: Step) => {
  const { items } = step;
  if (items === undefined) return;
  const { executionId } = turn.state;
  const result = items.evaluate(scopeFor(turn.state, items.taskIds));
  const maxItems = step.definition.forEach?.maxItems ?? 0;
  if (!result.ok)
    return failStep(turn, step, expressionFailed(`forEach ${JSON.stringify(items.text)}: ${result.rejection}`));
  const list = result.value;
  if (!Array.isArray(list))
    return failStep(
      turn,
      step,
      expressionFailed(`forEach ${JSON.stringify(items.text)}: gave ${typeof list}, not a list`),
    );
  if (list.length > maxItems)
    return failStep(
      turn,
      step,
      errorOf('TOO_MANY_ITEMS', `the list has ${list.length} items, maxItems is ${maxItems}`),
    );
  const sized = fits(list);
  if (!sized.ok) return failStep(turn, step, sized.rejection);
  room.take(list);
  turn.emit({ type: 'StepExpanded', data: { executionId, stepId: step.id, items: [...list], expandedAt: turn.now } });
};

const hasNothingToStart = ({ phase }: UnitState): boolean => phase === 'completed' || phase === 'open';

/** Starts items until there is no room; those that completed before a retry are left as they are. */
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

const startWait = (turn: Turn, step: Step) => {
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
  const input = inputOf(turn.state, step);
  if (!input.ok) return failStep(turn, step, input.rejection);
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
  if (state.items === undefined && !mayRun(turn, step)) return;
  switch (step.kind) {
    case 'agent':
      if (step.items === undefined) return startUnit(turn, room, step, state.unit);
      if (state.items === undefined) expand(turn, room, step);
      return startItems(turn, room, step);
    case 'workflow':
      return startChild(turn, room, step);
    default:
      return startWait(turn, step);
  }
};

/** A step whose failure is the execution's; undefined when there is none. */
export const fatalStep = (execution: Running, step: Step): AttemptError | undefined => {
  const { phase, unit } = execution.steps.get(step.index);
  const failed = phase === 'failed' || phase === 'indeterminate';
  if (!failed || step.definition.onFailure !== 'fail') return undefined;
  return unit.error ?? errorOf('STEP_FAILED', `step ${step.id} failed`);
};

/**
 * Starts what may start, as far as there is room; steps that are skipped free others, which are then tried too.
 *
 * @param onFatal a step could not even be started, and its failure is the execution's
 */
export const startReady = (turn: Turn, onFatal: (step: Step, error: AttemptError) => void) => {
  const room = new Room(turn.state);
  for (const index of turn.state.expanding) {
    const step = turn.state.compiled.steps[index] as Step;
    startItems(turn, room, step);
    const error = fatalStep(turn.state, step);
    if (error) return onFatal(step, error);
  }
  let progress = true;
  while (progress && turn.state.abort === undefined) {
    progress = false;
    for (const index of turn.state.ready) {
      const step = turn.state.compiled.steps[index] as Step;
      if (step.kind === 'agent' && !room.has(turn.state)) continue;
      if (step.kind === 'workflow' && !room.takes(turn.state)) continue;
      startStep(turn, room, step);
      progress ||= turn.state.steps.get(index).phase !== 'pending';
      const error = fatalStep(turn.state, step);
      if (error) return onFatal(step, error);
    }
  }
};

/** Starts a step with an input of a person's choice, as a new task. */
export const startWithInput = (turn: Turn, step: Step, input: Json) => {
  const { unit } = turn.state.steps.get(step.index);
  turn.emit(taskSubmitted(turn.state, workOf(step, step.id, input), unit.generation + 1, turn.now));
};

/** Undoes a unit; gives the error when not even the input for that could be made. */
export const startUndo = (turn: Turn, room: Room, key: string, given?: Json): AttemptError | undefined => {
  const unit = parseUnit(key);
  const index = unit && turn.state.compiled.indexOf.get(unit.stepId);
  const step = index === undefined ? undefined : turn.state.compiled.steps[index];
  const present = turn.state.compensation?.units.get(key);
  if (unit === undefined || step?.compensation === undefined || present === undefined)
    return errorOf('NO_COMPENSATION', `${key} has no compensation`);
  const again = given === undefined ? taskRedriven(present.state, turn.now) : undefined;
  if (again) {
    room.take(null);
    turn.emit(again);
    return undefined;
  }
  const { compensation } = step;
  const state = turn.state.steps.get(step.index);
  const undone = unit.item === undefined ? state.unit : state.items?.units.get(unit.item);
  const self = { input: undone?.task?.submitted.input ?? null, output: undone?.output ?? null };
  const input =
    given !== undefined
      ? ok(given)
      : compensation.input === undefined
        ? fits(self)
        : render(turn.state, compensation.input, {
            self,
            item: unit.item === undefined ? null : (state.items?.list[unit.item] ?? null),
            index: unit.item ?? null,
          });
  if (!input.ok) return input.rejection;
  room.take(input.value);
  const work: Work = {
    key: compensationOf(key),
    agent: compensation.agent,
    input: input.value,
    timeoutMs: compensation.timeoutMs,
    retry: compensation.retry,
    priority: step.definition.priority,
    tags: step.definition.tags,
  };
  turn.emit(taskSubmitted(turn.state, work, present.state.generation + 1, turn.now));
  return undefined;
};
