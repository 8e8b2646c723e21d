import { ancestorsOf, descendantsOf } from '../planning/graph.ts';
import type { Step, Workflow } from '../workflow/compile.ts';
import type { CompensationStrategy } from '../workflow/definition.ts';

/** The compensation of one unit, and the units to be compensated before it. */
export type PlannedCompensation = { readonly unit: string; readonly after: readonly string[] };

/** A unit to be compensated: its key, its step, and its place in the order in which units ended. */
export type Compensable = { readonly key: string; readonly step: Step; readonly seq: number };

const inSequence = (units: readonly Compensable[]): PlannedCompensation[] =>
  units.map(({ key }, index) => ({ unit: key, after: index === 0 ? [] : [(units[index - 1] as Compensable).key] }));

const isSelected = ({ step }: Compensable, { definition }: Workflow): boolean => {
  const { select } = definition.saga;
  return (
    step.definition.compensate ||
    select.tasks.includes(step.id) ||
    step.definition.tags.some((tag) => select.tags.includes(tag))
  );
};

/**
 * What the failure concerns: the steps that the failed one depends on, and everything that depends on these. The rest shares nothing
 * with the failed step.
 */
const affectedBy = ({ plan, indexOf, steps }: Workflow, stepId: string): ReadonlySet<number> => {
  const failed = indexOf.get(stepId);
  if (failed === undefined) return new Set(steps.map(({ index }) => index));
  const affected = new Set([failed, ...ancestorsOf(plan, failed)]);
  for (const ancestor of [...affected]) for (const index of descendantsOf(plan, ancestor)) affected.add(index);
  return affected;
};

/**
 * Characters of all `after` together. 500 steps that each come before 500 others, through one in between without a compensation, are
 * 250,000 keys, and more than an append takes.
 */
const MAX_AFTER = 128 * 1024;

/** Key: a step; value: the nearest steps downstream of it that are compensated. */
type Nearest = ReadonlyMap<number, ReadonlySet<number>>;

/**
 * In reverse order of completion, as long as nothing comes before what used its output. A step may complete before one that it depends on:
 * when a person has skipped the step between them. Then by the longest way to the end, which keeps to that in any case.
 */
const downstreamFirst = ({ plan }: Workflow, units: readonly Compensable[], nearest: Nearest): Compensable[] => {
  const reversed = [...units].sort((a, b) => b.seq - a.seq);
  const ended = new Map<number, { readonly first: number; readonly last: number }>();
  for (const { step, seq } of reversed) ended.set(step.index, { first: seq, last: ended.get(step.index)?.last ?? seq });
  const isInOrder = [...ended].every(([index, { last }]) =>
    [...(nearest.get(index) ?? [])].every((after) => (ended.get(after)?.first ?? last) > last),
  );
  if (isInOrder) return reversed;
  const distances = new Map<number, number>();
  for (const index of plan.order.toReversed()) {
    const before = [...(nearest.get(index) ?? [])].map((each) => distances.get(each) ?? 0);
    distances.set(index, before.reduce((most, distance) => Math.max(most, distance), -1) + 1);
  }
  const distanceOf = ({ step }: Compensable): number => distances.get(step.index) ?? 0;
  return reversed.sort((a, b) => distanceOf(a) - distanceOf(b));
};

/**
 * A step is compensated after every step that used its output, also through steps without a compensation. Where that plan grows too
 * long, one by one in an order that keeps to it too.
 */
const inDependencyOrder = (workflow: Workflow, units: readonly Compensable[]): PlannedCompensation[] => {
  const { plan } = workflow;
  const keys = new Map<number, string[]>();
  for (const { key, step } of units) keys.set(step.index, [...(keys.get(step.index) ?? []), key]);
  // The nearest units steps downstream of each step, from the last level to the first.
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
  const ordered = downstreamFirst(workflow, units, nearest);
  const planned: PlannedCompensation[] = [];
  let left = MAX_AFTER;
  for (const { key, step } of ordered) {
    const after = [...(nearest.get(step.index) ?? [])].flatMap((index) => keys.get(index) ?? []);
    for (const before of after) left -= before.length;
    if (left < 0) return inSequence(ordered);
    planned.push({ unit: key, after });
  }
  return planned;
};

/**
 * In which order units are compensated (requirements 1.3).
 *
 * - `backward`: reverse order of completion, one by one. `forward`: order of completion. `parallel`: all at once.
 * - `selective`: reverse order, only the steps with `compensate` or named in `saga.select`.
 * - `cascade`: a step after everything that used its output; independent branches side by side; with `scope: affected` only what the
 *   failed step has to do with.
 *
 * Shape: in an order that respects every `after`.
 *
 * @param units in the order in which they ended
 * @param failed the unit whose failure is the cause; matters to `cascade` with `scope: affected`
 */
export const orderOfCompensation = (
  workflow: Workflow,
  units: readonly Compensable[],
  strategy: CompensationStrategy,
  failed?: string,
): readonly PlannedCompensation[] => {
  switch (strategy) {
    case 'backward':
      return inSequence(units.toReversed());
    case 'forward':
      return inSequence(units);
    case 'parallel':
      return units.map(({ key }) => ({ unit: key, after: [] }));
    case 'selective':
      return inSequence(units.filter((unit) => isSelected(unit, workflow)).reverse());
    case 'cascade': {
      const { scope } = workflow.definition.saga;
      if (scope === 'all' || failed === undefined) return inDependencyOrder(workflow, units);
      const affected = affectedBy(workflow, failed.replace(/\[\d+\]$/, ''));
      return inDependencyOrder(
        workflow,
        units.filter(({ step }) => affected.has(step.index)),
      );
    }
  }
};
