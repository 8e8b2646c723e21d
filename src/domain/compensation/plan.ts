import type { Running, UnitState } from '../execution/state.ts';
import { unitKeyOf } from '../execution/unit.ts';
import { ancestorsOf, descendantsOf } from '../planning/graph.ts';
import type { Step } from '../workflow/compile.ts';
import type { CompensationStrategy } from '../workflow/definition.ts';

/** One undo and what must be undone before it. */
export type PlannedCompensation = { readonly unit: string; readonly after: readonly string[] };

type Owed = { readonly key: string; readonly step: Step; readonly seq: number };

/** A completed unit is owed an undo, and so is one whose outcome nobody knows (reliability R17, S11). */
const isOwed = ({ phase, uncertain }: UnitState): boolean => phase === 'completed' || (uncertain && phase !== 'open');

/** Units with a compensation that are owed one, in the order in which they ended. */
const owedUnits = (execution: Running): Owed[] => {
  const owed: Owed[] = [];
  for (const step of execution.compiled.steps) {
    if (step.compensation === undefined) continue;
    const state = execution.steps.get(step.index);
    // What another execution did is that one's to undo.
    if (state.reused) continue;
    if (state.items === undefined) {
      if (isOwed(state.unit)) owed.push({ key: step.id, step, seq: state.unit.seq });
      continue;
    }
    let item = 0;
    for (const unit of state.items.units) {
      if (isOwed(unit))
        owed.push({ key: unitKeyOf({ stepId: step.id, item, compensates: false }), step, seq: unit.seq });
      item += 1;
    }
  }
  return owed.sort((a, b) => a.seq - b.seq);
};

const inSequence = (owed: readonly Owed[]): PlannedCompensation[] =>
  owed.map(({ key }, index) => ({ unit: key, after: index === 0 ? [] : [(owed[index - 1] as Owed).key] }));

const isSelected = ({ step }: Owed, execution: Running): boolean => {
  const { select } = execution.compiled.definition.saga;
  return (
    step.definition.compensate ||
    select.tasks.includes(step.id) ||
    step.definition.tags.some((tag) => select.tags.includes(tag))
  );
};

/**
 * What the failure concerns: the steps that the failed one is built on, and everything that was built on these. The rest shares nothing
 * with the failed step.
 */
const affectedBy = (execution: Running, stepId: string): ReadonlySet<number> => {
  const { plan, indexOf } = execution.compiled;
  const failed = indexOf.get(stepId);
  if (failed === undefined) return new Set(execution.compiled.steps.map(({ index }) => index));
  const affected = new Set([failed, ...ancestorsOf(plan, failed)]);
  for (const ancestor of [...affected]) for (const index of descendantsOf(plan, ancestor)) affected.add(index);
  return affected;
};

/**
 * Characters of all `after` together. 500 steps that each come before 500 others, through one in between that has nothing to undo, are
 * 250,000 keys, and more than an append takes.
 */
const MAX_AFTER = 128 * 1024;

/**
 * A step is undone after all that used what it gave, also through steps that have nothing to undo. Where that takes too many words, one
 * by one: reverse order of completion keeps to it too.
 */
const inDependencyOrder = (execution: Running, owed: readonly Owed[]): PlannedCompensation[] => {
  const { plan } = execution.compiled;
  const keys = new Map<number, string[]>();
  for (const { key, step } of owed) keys.set(step.index, [...(keys.get(step.index) ?? []), key]);
  // The nearest owed steps downstream of each step, from the last level to the first.
  const nearest = new Map<number, ReadonlySet<number>>();
  for (let at = plan.order.length - 1; at >= 0; at -= 1) {
    const index = plan.order[at] as number;
    const found = new Set<number>();
    const dependants = plan.dependantsOf(index);
    for (let next = 0; next < dependants.length; next += 1) {
      const dependant = dependants[next] as number;
      if (keys.has(dependant)) found.add(dependant);
      else for (const further of nearest.get(dependant) ?? []) found.add(further);
    }
    nearest.set(index, found);
  }
  const reversed = [...owed].sort((a, b) => b.seq - a.seq);
  const planned: PlannedCompensation[] = [];
  let left = MAX_AFTER;
  for (const { key, step } of reversed) {
    const after = [...(nearest.get(step.index) ?? [])].flatMap((index) => keys.get(index) ?? []);
    for (const before of after) left -= before.length;
    if (left < 0) return inSequence(reversed);
    planned.push({ unit: key, after });
  }
  return planned;
};

/** Nobody knows whether the pivot took effect: going back could undo what must stand. */
export const pivotInDoubt = (execution: Running): boolean =>
  execution.compiled.steps.some(
    ({ index, definition }) => definition.pivot && execution.steps.get(index).unit.uncertain,
  );

/**
 * What would be undone if the execution ended here, and in which order (requirements 1.3).
 *
 * - `backward`: reverse order of completion, one by one. `forward`: order of completion. `parallel`: all at once.
 * - `selective`: reverse order, only the steps with `compensate` or named in `saga.select`.
 * - `cascade`: a step after everything that used its output; independent branches side by side; with `scope: affected` only what the
 *   failed step has to do with.
 *
 * Shape: in an order that respects every `after`. Empty once a pivot has completed, or may have: then there is no way back.
 *
 * @param failed the unit whose failure is the cause; matters to `cascade` with `scope: affected`
 */
export const planCompensation = (
  execution: Running,
  strategy: CompensationStrategy,
  failed?: string,
): readonly PlannedCompensation[] => {
  if (execution.pivotPassed || pivotInDoubt(execution)) return [];
  const owed = owedUnits(execution);
  switch (strategy) {
    case 'backward':
      return inSequence(owed.reverse());
    case 'forward':
      return inSequence(owed);
    case 'parallel':
      return owed.map(({ key }) => ({ unit: key, after: [] }));
    case 'selective':
      return inSequence(owed.filter((unit) => isSelected(unit, execution)).reverse());
    case 'cascade': {
      const { scope } = execution.compiled.definition.saga;
      if (scope === 'all' || failed === undefined) return inDependencyOrder(execution, owed);
      const affected = affectedBy(execution, failed.replace(/\[\d+\]$/, ''));
      return inDependencyOrder(
        execution,
        owed.filter(({ step }) => affected.has(step.index)),
      );
    }
  }
};
