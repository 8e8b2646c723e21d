import { roughBytes } from '../../rough-bytes.ts';
import type { Step } from '../../workflow/compile.ts';
import type { DataOf } from '../events.ts';
import { stepNamed } from '../find.ts';
import { isSatisfied, itemsOf, type Running, type StepPhase, type StepState } from '../state.ts';
import type { UnitState } from '../unit-state.ts';
import { SAMPLE } from './sample.ts';

export const without = (list: readonly number[], index: number): readonly number[] =>
  list.includes(index) ? list.filter((other) => other !== index) : list;

/** Whether some of its items have yet to start. Items of a failed or skipped step do not start, unless it is reopened. */
export const isExpanding = ({ phase, items }: StepState): boolean =>
  phase === 'open' && items !== undefined && items.next < items.list.length;

const withOrWithout = (list: readonly number[], index: number, isIn: boolean): readonly number[] => {
  if (!isIn) return without(list, index);
  return list.includes(index) ? list : [...list, index];
};

/** Puts a step's new state in place; when that ends it, the steps that depend on it come closer to starting. */
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

export const changeStep = (execution: Running, stepId: string, change: (step: StepState) => StepState): Running => {
  const step = stepNamed(execution, stepId);
  if (step === undefined) return execution;
  const before = execution.steps.get(step.index);
  const after = change(before);
  const children = Number(after.waiting?.kind === 'workflow') - Number(before.waiting?.kind === 'workflow');
  const next = withStep(execution, step, after);
  return children === 0 ? next : { ...next, openChildren: next.openChildren + children };
};

export const stepExpanded = (execution: Running, { stepId, items, expandedAt }: DataOf<'StepExpanded'>): Running => {
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

export const stepWaiting = (execution: Running, data: DataOf<'StepWaiting'>): Running =>
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

export const waitEnded = (step: StepState, unit: UnitState, phase: StepPhase, atMs: number): StepState => ({
  ...step,
  phase,
  unit: step.waiting ? { ...unit, spans: [...unit.spans, [step.waiting.sinceMs, atMs]] } : unit,
  waiting: undefined,
  endedMs: atMs,
});

/** The first event with this name that no step has taken. */
const withoutSignal = (execution: Running, name: string): Running['signals'] => {
  const at = execution.signals.findIndex((signal) => signal.name === name);
  return at === -1 ? execution.signals : execution.signals.filter((_, index) => index !== at);
};

/** A step that waited for an event and completes takes it. */
const taking = (execution: Running, stepId: string): Running => {
  const step = stepNamed(execution, stepId);
  const { kind, name } = (step && execution.steps.get(step.index).waiting) ?? {};
  return kind === 'event' && name !== undefined ? { ...execution, signals: withoutSignal(execution, name) } : execution;
};

export const stepCompleted = (
  execution: Running,
  { stepId, output, completedAt }: DataOf<'StepCompleted'>,
): Running => {
  const { nextSeq } = execution;
  const next = changeStep(taking(execution, stepId), stepId, (step) => ({
    ...waitEnded(
      step,
      { ...step.unit, phase: 'completed', output, error: undefined, seq: nextSeq },
      'completed',
      Date.parse(completedAt),
    ),
    childId: step.waiting?.childId,
  }));
  return { ...next, nextSeq: nextSeq + 1, bytes: next.bytes + roughBytes(output, SAMPLE) };
};

export const stepFailed = (execution: Running, { stepId, error, failedAt }: DataOf<'StepFailed'>): Running =>
  changeStep(execution, stepId, (step) =>
    waitEnded(step, { ...step.unit, phase: 'failed', error }, 'failed', Date.parse(failedAt)),
  );

/** A step is passed over: by its condition, for lack of dependencies, or because a person decided so. */
export const stepSkipped = (execution: Running, { stepId, reason, skippedAt }: DataOf<'StepSkipped'>): Running =>
  changeStep(execution, stepId, (step) => ({
    ...waitEnded(step, step.unit, 'skipped', Date.parse(skippedAt)),
    passedOver: reason === 'person',
  }));
