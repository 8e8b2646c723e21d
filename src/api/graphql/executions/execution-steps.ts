import {
  hasEnded,
  isSatisfied,
  type Running,
  type StepState,
  type UnitCompensation,
  type UnitState,
} from '../../../domain/execution/state.ts';
import { parseUnit } from '../../../domain/execution/unit.ts';
import { attemptsMade } from '../../../domain/task/decider.ts';
import type { AttemptError } from '../../../domain/task/events.ts';
import type { Step } from '../../../domain/workflow/compile.ts';

/** A step of an execution as it is now. */
export type StepView = { readonly execution: Running; readonly step: Step; readonly state: StepState };

export const stepsOf = (execution: Running): StepView[] =>
  execution.compiled.steps.map((step) => ({ execution, step, state: execution.steps.get(step.index) }));

/** Of a step that runs for each item of a list, the items. */
export const unitsOf = ({ state }: StepView): readonly UnitState[] =>
  state.items === undefined ? [state.unit] : [...state.items.units];

export const attemptsOf = (view: StepView): number =>
  unitsOf(view).reduce((attempts, { task }) => attempts + (task ? attemptsMade(task) : 0), 0);

/** Of a step that does one thing; an item's is found by `tasks(filter: {executionId})`. */
export const taskIdOf = ({ state }: StepView): string | null => state.unit.task?.submitted.taskId ?? null;

const beginningsOf = ({ task, spans }: UnitState): number[] => [
  ...(task === undefined ? [] : [Date.parse(task.submitted.submittedAt)]),
  ...spans.slice(0, 1).map(([fromMs]) => fromMs),
];

const instantOf = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

/** When it was first offered to an agent, or began to wait. */
export const startedAt = (view: StepView): string | null => {
  const { waiting, unit } = view.state;
  const all = [...unitsOf(view), unit].flatMap(beginningsOf);
  if (waiting) all.push(waiting.sinceMs);
  return instantOf(all.length === 0 ? undefined : all.reduce((least, ms) => Math.min(least, ms)));
};

export const endedAt = ({ state }: StepView): string | null => instantOf(state.endedMs);

export const errorOf = ({ state }: StepView): AttemptError | null => state.unit.error ?? null;

export type ItemCounts = {
  readonly total: number;
  readonly open: number;
  readonly completed: number;
  readonly failed: number;
};

export const itemCountsOf = ({ state }: StepView): ItemCounts | null => {
  if (state.items === undefined) return null;
  const counts = { total: state.items.list.length, open: 0, completed: 0, failed: 0 };
  for (const { phase } of state.items.units) {
    if (phase === 'open' || phase === 'completed') counts[phase] += 1;
    else if (phase !== 'idle') counts.failed += 1;
  }
  return counts;
};

/** What becomes of the undo of a step; the first of these is what needs attention most. */
export const UNDO_STATES = ['parked', 'handed_over', 'running', 'owed', 'skipped', 'completed', 'defined'] as const;
export type UndoState = (typeof UNDO_STATES)[number];

export const undoStateOf = ({ status, handedOverTo }: UnitCompensation): UndoState => {
  switch (status) {
    case 'pending':
      return 'owed';
    case 'open':
      return 'running';
    case 'parked':
      return handedOverTo === undefined ? 'parked' : 'handed_over';
    default:
      return status;
  }
};

const debtsByStep = new WeakMap<Running, ReadonlyMap<string, readonly UnitCompensation[]>>();

const debtsOf = (execution: Running): ReadonlyMap<string, readonly UnitCompensation[]> => {
  const known = debtsByStep.get(execution);
  if (known) return known;
  const byStep = new Map<string, UnitCompensation[]>();
  for (const debt of execution.compensation?.units.values() ?? []) {
    const stepId = parseUnit(debt.unit)?.stepId ?? debt.unit;
    const debts = byStep.get(stepId) ?? [];
    byStep.set(stepId, debts);
    debts.push(debt);
  }
  debtsByStep.set(execution, byStep);
  return byStep;
};

/** Null for a step that has nothing to undo. */
export const undoOf = ({ execution, step }: StepView): UndoState | null => {
  const states = new Set((debtsOf(execution).get(step.id) ?? []).map(undoStateOf));
  return UNDO_STATES.find((state) => states.has(state)) ?? (step.compensation ? 'defined' : null);
};

/** Names of a list for people; a long one is cut. */
export const named = (ids: readonly string[], most = 3): string =>
  ids.length <= most ? ids.join(', ') : `${ids.slice(0, most).join(', ')} and ${ids.length - most} more`;

/** The lowest level of the plan that is not through, as `2 of 5: calculate`; null once the execution has ended. */
export const currentPhaseOf = (execution: Running): string | null => {
  const { compiled, compensation, steps } = execution;
  if (hasEnded(execution)) return null;
  if (compensation) {
    const closed = [...compensation.units.values()].filter(
      ({ status }) => status === 'completed' || status === 'skipped',
    );
    return `undoing: ${closed.length} of ${compensation.units.size} done`;
  }
  const isOpen = (index: number): boolean =>
    !isSatisfied(steps.get(index), (compiled.steps[index] as Step).definition.onFailure);
  const { levels } = compiled.plan;
  const at = levels.findIndex((level) => level.some(isOpen));
  if (at === -1) return null;
  const ids = (levels[at] as readonly number[]).filter(isOpen).map((index) => (compiled.steps[index] as Step).id);
  return `${at + 1} of ${levels.length}: ${named(ids)}`;
};
