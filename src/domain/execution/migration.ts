import { PersistentVector } from '../structures/persistent-vector.ts';
import { type Step, type Workflow, workflowOf } from '../workflow/compile.ts';
import type { ExecutionEvent } from './events.ts';
import { isExpanding } from './evolve/steps.ts';
import { hasEnded, isSatisfied, newStep, type Running, type StepState, statusOf } from './state.ts';
import { parseUnit, unitKeyOf } from './unit.ts';

type Mapping = Extract<ExecutionEvent, { type: 'ExecutionMigrated' }>['data']['mapping'];

/** The step of the new definition that a step of the old one becomes; undefined for none. */
export const targetOf = (mapping: Mapping, stepId: string): string | undefined => {
  const mapped = Object.hasOwn(mapping, stepId) ? mapping[stepId] : stepId;
  return mapped ?? undefined;
};

const MAX_PROBLEMS = 20;

/** Includes a step that is to be repeated: its earlier work belongs to it. */
const hasStarted = ({ phase, unit, items }: StepState): boolean =>
  phase !== 'pending' || unit.generation > 0 || items !== undefined;

type Move = {
  readonly next: Workflow;
  readonly mapping: Mapping;
  /** The old step of each new one. */
  readonly origins: ReadonlyMap<string, Step>;
};

const problemsOfStep = (execution: Running, move: Move, old: Step, target: Step | undefined): string[] => {
  const state = execution.steps.get(old.index);
  if (!hasStarted(state)) return [];
  if (target === undefined)
    return [`${old.id} is ${state.phase} and has no place in the new version: map it to a task`];
  const problems: string[] = [];
  const done = isSatisfied(state, old.definition.onFailure);
  if (done && !isSatisfied(state, target.definition.onFailure))
    problems.push(`${old.id} is ${state.phase}, which fails the execution in the new version`);
  if (!done && old.kind !== target.kind)
    problems.push(`${old.id} is ${state.phase} as a ${old.kind} task, ${target.id} is a ${target.kind} task`);
  if ((state.items === undefined) !== (target.items === undefined) && state.phase !== 'skipped')
    problems.push(`${old.id} and ${target.id} differ in forEach`);
  return problems.concat(unmetDependencies(execution, move, old, target));
};

/** What has started must not come to depend on something that has not ended. */
const unmetDependencies = (execution: Running, { next, mapping, origins }: Move, old: Step, target: Step): string[] => {
  const known = new Set(old.definition.dependsOn.map((id) => targetOf(mapping, id)));
  return target.definition.dependsOn.flatMap((id) => {
    if (known.has(id)) return [];
    const origin = origins.get(id);
    const { onFailure } = (next.steps[next.indexOf.get(id) as number] as Step).definition;
    const satisfied = origin !== undefined && isSatisfied(execution.steps.get(origin.index), onFailure);
    return satisfied ? [] : [`${old.id} has started, and ${target.id} depends on ${id}, which has not ended`];
  });
};

/**
 * Why an execution cannot go on under another definition; empty when it can. This answer and what `MigrateExecution` does are the
 * same: the command asks this function.
 */
export const migrationProblems = (execution: Running, next: Workflow, mapping: Mapping): string[] => {
  const status = statusOf(execution);
  if (hasEnded(execution) && status !== 'failed') return [`the execution has ended: it is ${status}`];
  if (execution.abort !== undefined && status !== 'failed') return [`the execution is ${status} and about to end`];
  const problems: string[] = [];
  const origins = new Map<string, Step>();
  for (const old of execution.compiled.steps) {
    const id = targetOf(mapping, old.id);
    if (id === undefined || !next.indexOf.has(id)) continue;
    const other = origins.get(id);
    if (other !== undefined) problems.push(`${other.id} and ${old.id} both become ${id}`);
    origins.set(id, old);
  }
  for (const id of Object.keys(mapping))
    if (!execution.compiled.indexOf.has(id))
      problems.push(`the mapping names ${id}, which the present version does not have`);
  for (const old of execution.compiled.steps) {
    const id = targetOf(mapping, old.id);
    const index = id === undefined ? undefined : next.indexOf.get(id);
    const mapped = Object.hasOwn(mapping, old.id) && id !== undefined;
    if (mapped && index === undefined)
      problems.push(`${old.id} is mapped to ${id}, which the new version does not have`);
    const target = index === undefined ? undefined : next.steps[index];
    problems.push(...problemsOfStep(execution, { next, mapping, origins }, old, target));
    if (problems.length >= MAX_PROBLEMS) break;
  }
  return problems.slice(0, MAX_PROBLEMS);
};

/** The same execution under another definition: what was done stays done, what is open goes on under its new name. */
export const migrated = (
  execution: Running,
  data: Extract<ExecutionEvent, { type: 'ExecutionMigrated' }>['data'],
): Running => {
  const compiled = workflowOf(data.workflow.digest, data.definition);
  const { plan } = compiled;
  const moved = new Map<string, StepState>();
  for (const { id, index } of execution.compiled.steps) {
    const target = targetOf(data.mapping, id);
    if (target !== undefined) moved.set(target, execution.steps.get(index));
  }
  const satisfied = compiled.steps.map(({ id, definition }) => {
    const state = moved.get(id);
    return state !== undefined && isSatisfied(state, definition.onFailure);
  });
  const missingOf = (index: number): number => {
    const dependencies = plan.dependenciesOf(index);
    let missing = 0;
    for (let at = 0; at < dependencies.length; at += 1) if (!satisfied[dependencies[at] as number]) missing += 1;
    return missing;
  };
  const steps = PersistentVector.from(plan.size, (index) => {
    const missing = missingOf(index);
    const state = moved.get(compiled.steps[index]?.id as string);
    return state === undefined ? newStep(missing) : { ...state, missing };
  });
  const unitOf = new Map<string, string>();
  for (const [taskId, key] of execution.unitOf) {
    const unit = parseUnit(key);
    const target = unit && targetOf(data.mapping, unit.stepId);
    if (unit && target !== undefined) unitOf.set(taskId, unitKeyOf({ ...unit, stepId: target }));
  }
  const inputs = Object.entries(execution.inputs).flatMap(([id, input]) => {
    const target = targetOf(data.mapping, id);
    return target === undefined ? [] : [[target, input] as const];
  });
  const all = compiled.steps.map(({ index }) => index);
  return {
    ...execution,
    workflow: data.workflow,
    migrations: execution.migrations + 1,
    compiled,
    inputs: Object.fromEntries(inputs),
    steps,
    unitOf,
    ready: all.filter((index) => steps.get(index).phase === 'pending' && steps.get(index).missing === 0),
    expanding: all.filter((index) => isExpanding(steps.get(index))),
    unfinished: satisfied.filter((done) => !done).length,
    pivotPassed:
      execution.pivotPassed ||
      compiled.steps.some((step) => step.definition.pivot && steps.get(step.index).phase === 'completed'),
  };
};
