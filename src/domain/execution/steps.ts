import type { Json } from '../json.ts';
import { attemptsMade } from '../task/state.ts';
import type { AgentNeed, Step } from '../workflow/compile.ts';
import { hasEnded, isSatisfied, type Running, type StepState } from './state.ts';
import type { UnitState } from './unit-state.ts';

/** A step of an execution as it is now. */
export type StepView = { readonly execution: Running; readonly step: Step; readonly state: StepState };

/** All steps, in the order of the definition. */
export const stepsOf = (execution: Running): StepView[] =>
  execution.compiled.steps.map((step) => ({ execution, step, state: execution.steps.get(step.index) }));

/** The step itself; of a step that runs for each item of a list, the items. */
export const unitsOf = ({ state }: StepView): readonly UnitState[] =>
  state.items === undefined ? [state.unit] : [...state.items.units];

export const attemptsOf = (view: StepView): number =>
  unitsOf(view).reduce((attempts, { task }) => attempts + (task ? attemptsMade(task) : 0), 0);

/** Undefined for a step that runs for each item of a list: its tasks are its items'. */
export const taskIdOf = ({ state }: StepView): string | undefined => state.unit.task?.submitted.taskId;

/** Tasks of the step that an agent holds or may get. */
export const openTasksOf = (view: StepView): string[] =>
  unitsOf(view).flatMap(({ phase, task }) => (phase === 'open' && task ? [task.submitted.taskId] : []));

const startsOf = ({ task, spans }: UnitState): number[] => [
  ...(task === undefined ? [] : [Date.parse(task.submitted.submittedAt)]),
  ...spans.slice(0, 1).map(([fromMs]) => fromMs),
];

/** When the step was first offered to an agent, or began to wait, in milliseconds since the epoch. */
export const startedMsOf = (view: StepView): number | undefined => {
  const { waiting, unit } = view.state;
  const starts = [...unitsOf(view), unit].flatMap(startsOf);
  if (waiting) starts.push(waiting.sinceMs);
  return starts.length === 0 ? undefined : starts.reduce((first, ms) => Math.min(first, ms));
};

/** What the step's task got; undefined for a step without one, and for one that runs for each item of a list. */
export const inputOf = ({ state }: StepView): Json | undefined => state.unit.task?.submitted.input;

/** What came out of the step; undefined until it has completed. */
export const outputOf = ({ state }: StepView): Json | undefined =>
  state.phase === 'completed' ? state.unit.output : undefined;

/** Bytes of JSON of an input or output that an overview of all steps shows; a larger one is left out, and its size is told. */
export const SHOWN_PAYLOAD_BYTES = 4 * 1024;

export type ItemCounts = {
  readonly total: number;
  readonly open: number;
  readonly completed: number;
  /** Ended without a result. */
  readonly failed: number;
  readonly ended: number;
};

/** Undefined for a step that does one thing, and until the list is known. */
export const itemCountsOf = ({ items }: StepState): ItemCounts | undefined => {
  if (items === undefined) return undefined;
  const counts = { open: 0, completed: 0, failed: 0 };
  for (const { phase } of items.units) {
    if (phase === 'open' || phase === 'completed') counts[phase] += 1;
    else if (phase !== 'idle') counts.failed += 1;
  }
  return { total: items.list.length, ...counts, ended: items.ended };
};

/** How far an execution is that has not ended: in the plan, or in its compensation. */
export type Progress =
  | {
      readonly kind: 'level';
      /** From 1. */
      readonly level: number;
      readonly levels: number;
      /** Steps of the level that others still wait for. */
      readonly steps: readonly string[];
    }
  | { readonly kind: 'compensation'; readonly closed: number; readonly total: number };

/** The lowest level of the plan that is not finished, or the state of the compensation; undefined once the execution has ended. */
export const progressOf = (execution: Running): Progress | undefined => {
  const { compiled, compensation, steps } = execution;
  if (hasEnded(execution)) return undefined;
  if (compensation) {
    const closed = [...compensation.units.values()].filter(
      ({ status }) => status === 'completed' || status === 'skipped',
    );
    return { kind: 'compensation', closed: closed.length, total: compensation.owed ?? compensation.units.size };
  }
  const isUnfinished = (index: number): boolean =>
    !isSatisfied(steps.get(index), (compiled.steps[index] as Step).definition.onFailure);
  const { levels } = compiled.plan;
  const at = levels.findIndex((level) => level.some(isUnfinished));
  if (at === -1) return undefined;
  const unfinished = (levels[at] as readonly number[]).filter(isUnfinished);
  return {
    kind: 'level',
    level: at + 1,
    levels: levels.length,
    steps: unfinished.map((index) => (compiled.steps[index] as Step).id),
  };
};

/** Steps with the same needs. */
export type AgentGroup = Pick<AgentNeed, 'capability' | 'pool'> & {
  readonly role: string | undefined;
  readonly views: readonly StepView[];
};

/** The steps that agents do, by role, and by capability where a step names no role. */
export const agentGroupsOf = (execution: Running): AgentGroup[] => {
  const groups = new Map<string, AgentGroup & { readonly views: StepView[] }>();
  for (const view of stepsOf(execution)) {
    const { agent, definition } = view.step;
    if (agent === undefined) continue;
    const { capability, pool } = agent;
    const key = JSON.stringify([definition.role ?? null, capability, pool]);
    const group = groups.get(key) ?? { role: definition.role, capability, pool, views: [] };
    groups.set(key, group);
    group.views.push(view);
  }
  return [...groups.values()];
};
