import type { Json } from '../json.ts';
import { assertNever } from '../result.ts';
import { roughBytes } from '../rough-bytes.ts';
import { PersistentVector } from '../structures/persistent-vector.ts';
import { evolveTask, initialTask, type Task } from '../task/decider.ts';
import { type AttemptError, endsTask, type TaskEvent } from '../task/events.ts';
import { type Step, workflowOf } from '../workflow/compile.ts';
import type { ExecutionEvent } from './events.ts';
import { migrated } from './migration.ts';
import {
  type Compensation,
  type Execution,
  IDLE,
  type ItemsState,
  isSatisfied,
  itemsOf,
  newStep,
  type Running,
  type StepPhase,
  type StepState,
  type UnitCompensation,
  type UnitState,
} from './state.ts';
import { compensatedBy, isCompensation, parseUnit } from './unit.ts';

export type ExecutionStreamEvent = ExecutionEvent | TaskEvent;
type Of<Type extends ExecutionEvent['type']> = Extract<ExecutionEvent, { type: Type }>['data'];

const UNIT_BYTES = 600;
const STEP_BYTES = 400;

/** Members that are measured of a list or object: events of large payloads are folded often. */
const SAMPLE = 200;

const stepOf = (execution: Running, stepId: string): Step | undefined => {
  const index = execution.compiled.indexOf.get(stepId);
  return index === undefined ? undefined : execution.compiled.steps[index];
};

const without = (list: readonly number[], index: number): readonly number[] =>
  list.includes(index) ? list.filter((other) => other !== index) : list;

/** Items of it have not started. Not those of a step that has failed or was skipped: nobody wants them, or not before it is reopened. */
const isExpanding = ({ phase, items }: StepState): boolean =>
  phase === 'open' && items !== undefined && items.next < items.list.length;

const withOrWithout = (list: readonly number[], index: number, isIn: boolean): readonly number[] => {
  if (!isIn) return without(list, index);
  return list.includes(index) ? list : [...list, index];
};

/** Puts a step's new state in place; when that is the end that others wait for, they come closer to starting. */
export const withStep = (execution: Running, { index, definition }: Step, next: StepState): Running => {
  const before = execution.steps.get(index);
  let steps = execution.steps.with(index, next);
  let ready = next.phase === 'pending' ? execution.ready : without(execution.ready, index);
  let { unfinished } = execution;
  const pivotPassed = execution.pivotPassed || (definition.pivot && next.phase === 'completed');
  if (isSatisfied(next, definition.onFailure) && !isSatisfied(before, definition.onFailure)) {
    unfinished -= 1;
    const { plan } = execution.compiled;
    const dependants = plan.dependantsOf(index);
    const freed: number[] = [];
    for (let at = 0; at < dependants.length; at += 1) {
      const dependant = dependants[at] as number;
      const waiting = steps.get(dependant);
      steps = steps.with(dependant, { ...waiting, missing: waiting.missing - 1 });
      if (waiting.missing === 1 && waiting.phase === 'pending') freed.push(dependant);
    }
    if (freed.length > 0) ready = [...ready, ...freed];
  }
  const expanding = withOrWithout(execution.expanding, index, isExpanding(next));
  return { ...execution, steps, ready, expanding, unfinished, pivotPassed };
};

/** Its task was given up without a result, and may still answer. */
const isLost = ({ task }: UnitState): boolean => task?.status === 'indeterminate';

/** What a task's event makes of the unit that the task is for. */
const unitAfter = (unit: UnitState, event: TaskEvent, seq: number): UnitState => {
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
      // Steps that depend on it may have gone on meanwhile: it keeps its place before them in the order of undoing.
      const endedAs = isLost(unit) ? unit.seq : seq;
      return { ...next, phase: 'completed', output: result, agentId, error: undefined, seq: endedAs, spans };
    }
    case 'TaskAttemptStarted':
    case 'TaskProgressReported':
      return next;
    default:
      return assertNever(event);
  }
};

const isOpen = ({ phase }: UnitState): number => (phase === 'open' ? 1 : 0);

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
  TaskCompleted: 'completedAt',
  TaskCancelled: 'cancelledAt',
  TaskFailed: 'failedAt',
  TaskDeadLettered: 'deadLetteredAt',
  TaskRedriven: 'redrivenAt',
} as const satisfies Record<TaskEvent['type'], string>;

const instantMs = (event: TaskEvent): number =>
  Date.parse((event.data as Record<string, unknown>)[AT[event.type]] as string);

/** A task that was given up as lost and answers after what it did was settled: the answer is kept, nothing follows from it. */
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
  const step_ = unit.phase === before.unit.phase ? { ...before, unit } : stepAfterUnit(before, unit, instantMs(event));
  const next = withStep(execution, step, step_);
  return { ...next, openTasks: next.openTasks + isOpen(unit) - isOpen(before.unit) };
};

const changeCompensation = (
  execution: Running,
  key: string,
  change: (before: UnitCompensation) => UnitCompensation,
): Running => {
  const { compensation } = execution;
  const before = compensation?.units.get(key);
  if (compensation === undefined || before === undefined) return execution;
  const after = change(before);
  return {
    ...execution,
    compensation: { ...compensation, units: new Map(compensation.units).set(key, after) },
    openTasks: execution.openTasks + isOpen(after.state) - isOpen(before.state),
  };
};

const evolveCompensationTask = (execution: Running, key: string, event: TaskEvent): Running =>
  changeCompensation(execution, compensatedBy(key), (before) => {
    const state = unitAfter(before.state, event, execution.nextSeq);
    // What a person has skipped stays skipped when the compensation that was given up as lost answers after all.
    const follows = before.status !== 'skipped' && (state.phase === 'open' || state.phase === 'completed');
    return { ...before, state, status: follows ? state.phase : before.status };
  });

const evolveTaskEvent = (execution: Running, event: TaskEvent): Running => {
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
  const step = isCompensation(key) ? undefined : stepOf(next, unit.stepId);
  if (isCompensation(key)) next = evolveCompensationTask(next, key, event);
  else if (step === undefined) return execution;
  else next = unit.item === undefined ? evolveStepTask(next, step, event) : evolveItem(next, step, unit.item, event);
  return endsTask(event.type) ? { ...next, nextSeq: next.nextSeq + 1 } : next;
};

const started = (data: Of<'ExecutionStarted'>): Running => {
  const { definition, workflow } = data;
  const compiled = workflowOf(workflow.digest, definition);
  const { plan } = compiled;
  const startedMs = Date.parse(data.startedAt);
  const fresh: Running = {
    status: 'executing',
    executionId: data.executionId,
    workflow,
    compiled,
    input: data.input,
    inputs: data.inputs ?? {},
    tags: data.tags,
    startedMs,
    endedMs: undefined,
    deadlineMs: data.deadlineAt === undefined ? undefined : Date.parse(data.deadlineAt),
    parent: data.parent,
    forkedFrom: data.forkedFrom && {
      executionId: data.forkedFrom.executionId,
      revision: data.forkedFrom.revision,
    },
    paused: false,
    steps: PersistentVector.from(plan.size, (index) => newStep(plan.dependenciesOf(index).length)),
    ready: [...plan.roots],
    expanding: [],
    openTasks: 0,
    openChildren: 0,
    unfinished: plan.size,
    nextSeq: 0,
    pivotPassed: false,
    signals: [],
    abort: undefined,
    compensation: undefined,
    output: null,
    error: undefined,
    unitOf: new Map(),
    migrations: 0,
    bytes: 1_000 + plan.size * STEP_BYTES + roughBytes(data.input, SAMPLE),
  };
  return (data.forkedFrom?.reused ?? []).reduce((execution, reused) => {
    const step = stepOf(execution, reused.stepId);
    // A failure that is the execution's is not taken over: the step is done again.
    if (step === undefined || (reused.status === 'failed' && step.definition.onFailure === 'fail')) return execution;
    const before = execution.steps.get(step.index);
    const phase = reused.status;
    const unit: UnitState = {
      ...IDLE,
      phase: phase === 'skipped' ? 'idle' : phase,
      output: reused.output ?? null,
      agentId: reused.agentId,
      seq: execution.nextSeq,
    };
    const passedOver = reused.passedOver === true;
    const next = withStep(execution, step, { ...before, phase, unit, passedOver, reused: true, endedMs: startedMs });
    return { ...next, nextSeq: next.nextSeq + 1 };
  }, fresh);
};

const changeStep = (execution: Running, stepId: string, change: (step: StepState) => StepState): Running => {
  const step = stepOf(execution, stepId);
  if (step === undefined) return execution;
  const before = execution.steps.get(step.index);
  const after = change(before);
  const children = Number(after.waiting?.kind === 'workflow') - Number(before.waiting?.kind === 'workflow');
  const next = withStep(execution, step, after);
  return children === 0 ? next : { ...next, openChildren: next.openChildren + children };
};

const expanded = (execution: Running, { stepId, items, expandedAt }: Of<'StepExpanded'>): Running => {
  const list = itemsOf(items);
  const next = changeStep(execution, stepId, (step) =>
    items.length > 0
      ? { ...step, phase: 'open', items: list }
      : {
          ...step,
          phase: 'completed',
          items: list,
          unit: { ...step.unit, phase: 'completed', output: [] },
          endedMs: Date.parse(expandedAt),
        },
  );
  return { ...next, bytes: next.bytes + roughBytes(items, SAMPLE) + items.length * 100 };
};

const waiting = (execution: Running, data: Of<'StepWaiting'>): Running =>
  changeStep(execution, data.stepId, (step) => ({
    ...step,
    phase: 'waiting',
    unit: { ...step.unit, generation: step.unit.generation + 1 },
    waiting: {
      kind: data.kind,
      name: data.name,
      options: data.options,
      dueMs: data.dueAt === undefined ? undefined : Date.parse(data.dueAt),
      childId: data.child?.executionId,
      sinceMs: Date.parse(data.since),
    },
  }));

const waitEnded = (step: StepState, unit: UnitState, phase: StepPhase, atMs: number): StepState => ({
  ...step,
  phase,
  unit: step.waiting ? { ...unit, spans: [...unit.spans, [step.waiting.sinceMs, atMs]] } : unit,
  waiting: undefined,
  endedMs: atMs,
});

const stepCompleted = (execution: Running, { stepId, output, completedAt }: Of<'StepCompleted'>): Running => {
  const { nextSeq } = execution;
  const next = changeStep(execution, stepId, (step) =>
    waitEnded(
      step,
      { ...step.unit, phase: 'completed', output, error: undefined, seq: nextSeq },
      'completed',
      Date.parse(completedAt),
    ),
  );
  return { ...next, nextSeq: nextSeq + 1, bytes: next.bytes + roughBytes(output, SAMPLE) };
};

const stepFailed = (execution: Running, { stepId, error, failedAt }: Of<'StepFailed'>): Running =>
  changeStep(execution, stepId, (step) =>
    waitEnded(step, { ...step.unit, phase: 'failed', error }, 'failed', Date.parse(failedAt)),
  );

/** What nobody does any more because the execution ends: waits end at once, what agents and sub-workflows do is waited for. */
const aborting = (execution: Running, data: Of<'ExecutionAborting'>): Running => {
  const atMs = Date.parse(data.abortedAt);
  let next: Running = {
    ...execution,
    status: data.compensate ? 'compensating' : 'executing',
    // Who cancels does not want it to stand still on the way.
    paused: execution.paused && data.reason === 'step_failed',
    endedMs: undefined,
    error: data.error,
    abort: {
      reason: data.reason,
      unit: data.unit,
      error: data.error,
      comment: data.comment,
      compensate: data.compensate,
      strategy: data.strategy,
      interrupt: data.interrupt,
    },
  };
  for (const { index, id } of execution.compiled.steps) {
    const step = execution.steps.get(index);
    if (step.phase === 'waiting' && step.waiting?.kind !== 'workflow')
      next = changeStep(next, id, (state) => waitEnded(state, state.unit, 'cancelled', atMs));
  }
  return next;
};

const compensationStarted = (execution: Running, { strategy, plan }: Of<'CompensationStarted'>): Running => {
  const units = new Map<string, UnitCompensation>(
    plan.map(({ unit, after }) => [unit, { unit, after, status: 'pending', handedOverTo: undefined, state: IDLE }]),
  );
  const compensation: Compensation = { strategy, units };
  return { ...execution, status: 'compensating', compensation };
};

/** A step that is to be done again; of its items only those that have not completed. */
const reopenedStep = (step: StepState): StepState => ({
  ...step,
  phase: 'pending',
  endedMs: undefined,
  items: step.items && reopenedItems(step.items),
});

const reopenedItems = ({ list, units }: ItemsState): ItemsState => ({
  list,
  units: PersistentVector.from(units.length, (item) => {
    const unit = units.get(item);
    return unit.phase === 'completed' ? unit : { ...unit, phase: 'idle' };
  }),
  next: 0,
  ended: [...units].filter(({ phase }) => phase === 'completed').length,
});

const reopened = (execution: Running, { steps }: Of<'ExecutionReopened'>): Running => {
  const indices = steps.flatMap((id) => execution.compiled.indexOf.get(id) ?? []);
  let next: Running = {
    ...execution,
    status: 'executing',
    // Its time limit has done its work.
    deadlineMs: undefined,
    abort: undefined,
    error: undefined,
    endedMs: undefined,
  };
  for (const index of indices) next = { ...next, steps: next.steps.with(index, reopenedStep(next.steps.get(index))) };
  const ready = [...next.ready.filter((index) => !indices.includes(index)), ...indices];
  const expanding = indices.reduce(without, next.expanding);
  return { ...next, ready, expanding };
};

const ended = (execution: Running, status: Running['status'], at: string): Running => ({
  ...execution,
  status,
  endedMs: Date.parse(at),
});

/** The first event with this name that no step has taken. */
const withoutSignal = (execution: Running, name: string): Running['signals'] => {
  const at = execution.signals.findIndex((signal) => signal.name === name);
  return at === -1 ? execution.signals : execution.signals.filter((_, index) => index !== at);
};

/** A step that waited for an event and completes takes it. */
const taking = (execution: Running, stepId: string): Running => {
  const step = stepOf(execution, stepId);
  const { kind, name } = (step && execution.steps.get(step.index).waiting) ?? {};
  return kind === 'event' && name !== undefined ? { ...execution, signals: withoutSignal(execution, name) } : execution;
};

const evolveOwn = (execution: Running, event: Exclude<ExecutionEvent, { type: 'ExecutionStarted' }>): Running => {
  switch (event.type) {
    case 'ExecutionPaused':
      return { ...execution, paused: true };
    case 'ExecutionResumed':
      return { ...execution, paused: false };
    case 'StepExpanded':
      return expanded(execution, event.data);
    case 'StepWaiting':
      return waiting(execution, event.data);
    case 'StepCompleted':
      return stepCompleted(taking(execution, event.data.stepId), event.data);
    case 'StepFailed':
      return stepFailed(execution, event.data);
    case 'StepSkipped':
      return changeStep(execution, event.data.stepId, (step) => ({
        ...waitEnded(step, step.unit, 'skipped', Date.parse(event.data.skippedAt)),
        passedOver: event.data.reason === 'person',
      }));
    case 'ExecutionSignalled': {
      const { name, payload } = event.data;
      return { ...execution, signals: [...execution.signals, { name, payload }] };
    }
    case 'ExecutionAborting':
      return aborting(execution, event.data);
    case 'CompensationStarted':
      return compensationStarted(execution, event.data);
    case 'CompensationParked':
      return changeCompensation(execution, event.data.unit, (before) => ({ ...before, status: 'parked' }));
    case 'CompensationSkipped':
      return changeCompensation(execution, event.data.unit, (before) => ({ ...before, status: 'skipped' }));
    case 'CompensationHandedOver':
      return changeCompensation(execution, event.data.unit, (before) => ({ ...before, handedOverTo: event.data.to }));
    case 'ExecutionReopened':
      return reopened(execution, event.data);
    case 'ExecutionMigrated':
      return migrated(execution, event.data);
    case 'ExecutionCompleted':
      return { ...ended(execution, 'completed', event.data.completedAt), output: event.data.output };
    case 'ExecutionFailed':
      return { ...ended(execution, 'failed', event.data.failedAt), error: event.data.error };
    case 'ExecutionCancelled':
      return ended(execution, 'cancelled', event.data.cancelledAt);
    case 'ExecutionCompensated':
      return ended(execution, 'compensated', event.data.compensatedAt);
    case 'ExecutionCompensationFailed':
      return { ...execution, status: 'compensation_failed' };
    default:
      return assertNever(event);
  }
};

const isTaskEvent = (event: ExecutionStreamEvent): event is TaskEvent => event.type in AT;

export const errorOf = (code: string, message: string): AttemptError => ({
  code,
  message: message.slice(0, 2_000).toWellFormed(),
  source: 'baton',
  retryable: false,
});

export const evolveExecution = (execution: Execution, event: ExecutionStreamEvent): Execution => {
  if (event.type === 'ExecutionStarted') return started(event.data);
  if (execution.status === 'none') return execution;
  if (isTaskEvent(event)) {
    const next = evolveTaskEvent(execution, event);
    // An undo that is tried again at the desk sets the whole going again.
    const resumes = next.status === 'compensation_failed' && next.openTasks > execution.openTasks;
    return resumes ? { ...next, status: 'compensating' } : next;
  }
  return evolveOwn(execution, event);
};
