import { DEFAULT_POOL } from '../ids.ts';
import type { Json } from '../json.ts';
import { ancestorsOf, descendantsOf, type Plan, planGraph } from '../planning/graph.ts';
import { ok, type Result, rejected } from '../result.ts';
import { DEFAULT_RETRY, type RetryPolicy } from '../retry.ts';
import type { TaskDefinition, WorkflowDefinition } from './definition.ts';
import { type Expression, parseExpression } from './expression.ts';
import { checkInputSchema } from './input/check-schema.ts';
import { parseTemplate, type Template } from './template.ts';

/** One thing wrong with a definition, by JSON pointer. */
export type DefinitionIssue = { readonly pointer: string; readonly code: string; readonly message: string };

export type AgentNeed = {
  readonly capability: string;
  readonly versionRange?: string;
  readonly pool: string;
  readonly strategy: string;
  readonly targets?: string[] | undefined;
};

type CompiledCompensation = {
  readonly agent: AgentNeed;
  readonly input: Template | undefined;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
};

/** A task of a definition, ready to be executed. */
export type Step = {
  readonly index: number;
  readonly id: string;
  readonly definition: TaskDefinition;
  readonly kind: 'agent' | 'workflow' | 'wait' | 'delay';
  /** For `agent`. */
  readonly agent: AgentNeed | undefined;
  readonly retry: RetryPolicy;
  readonly when: Expression | undefined;
  readonly input: Template | undefined;
  readonly items: Expression | undefined;
  readonly compensation: CompiledCompensation | undefined;
};

/** A valid definition, planned. */
export type Workflow = {
  readonly definition: WorkflowDefinition;
  readonly plan: Plan;
  readonly steps: readonly Step[];
  readonly indexOf: ReadonlyMap<string, number>;
  readonly output: Template | undefined;
  /** Tasks that nothing depends on. */
  readonly sinks: readonly number[];
  /** What is allowed, and probably not meant. */
  readonly warnings: readonly DefinitionIssue[];
};

/** A definition with thousands of mistakes is one mistake. */
const MAX_ISSUES = 200;

class Findings {
  readonly issues: DefinitionIssue[] = [];

  add(pointer: string, code: string, message: string): undefined {
    if (this.issues.length < MAX_ISSUES) this.issues.push({ pointer, code, message });
  }
}

type Context = { readonly definition: WorkflowDefinition; readonly findings: Findings };

const expressionAt = (text: string, pointer: string, { findings }: Context): Expression | undefined => {
  const parsed = parseExpression(text);
  if (parsed.ok) return parsed.value;
  findings.add(pointer, 'BAD_EXPRESSION', `${JSON.stringify(text)}: ${parsed.rejection}`);
  return undefined;
};

const templateAt = (value: Json | undefined, pointer: string, { findings }: Context): Template | undefined => {
  if (value === undefined) return undefined;
  const parsed = parseTemplate(value);
  if (parsed.ok) return parsed.value;
  for (const issue of parsed.rejection) findings.add(`${pointer}${issue.pointer}`, 'BAD_EXPRESSION', issue.message);
  return undefined;
};

/** By role, or by capability in the default pool. */
const agentAt = (
  { role, capability }: { readonly role?: string | undefined; readonly capability?: string | undefined },
  pointer: string,
  { definition, findings }: Context,
): AgentNeed | undefined => {
  if (role !== undefined && capability !== undefined) {
    findings.add(pointer, 'ROLE_OR_CAPABILITY', 'name a role or a capability, not both');
    return undefined;
  }
  if (capability !== undefined) return { capability, pool: DEFAULT_POOL, strategy: 'least_loaded' };
  if (role === undefined) return undefined;
  const need = Object.hasOwn(definition.agents, role) ? definition.agents[role] : undefined;
  if (need === undefined) {
    const known = Object.keys(definition.agents);
    findings.add(
      `${pointer}/role`,
      'UNKNOWN_ROLE',
      `there is no role ${JSON.stringify(role)} in agents${known.length > 0 ? `; there are ${known.slice(0, 10).join(', ')}` : ''}`,
    );
    return undefined;
  }
  const { versionRange, ...rest } = need;
  return versionRange === undefined ? rest : { ...rest, versionRange };
};

const KINDS = ['agent', 'workflow', 'wait', 'delay'] as const;

const kindAt = (task: TaskDefinition, pointer: string, { findings }: Context): Step['kind'] => {
  const given = [
    task.role !== undefined || task.capability !== undefined,
    task.workflow !== undefined,
    task.waitFor !== undefined,
    task.delayMs !== undefined,
  ];
  const kinds = KINDS.filter((_, index) => given[index]);
  if (kinds.length !== 1)
    findings.add(
      pointer,
      'ONE_THING_ONLY',
      `a task does exactly one thing: role or capability, workflow, waitFor, or delayMs; it has ${kinds.length === 0 ? 'none' : kinds.join(', ')}`,
    );
  return kinds[0] ?? 'agent';
};

const compensationAt = (
  task: TaskDefinition,
  kind: Step['kind'],
  pointer: string,
  context: Context,
): CompiledCompensation | undefined => {
  const { compensation } = task;
  if (compensation === undefined) return undefined;
  const at = `${pointer}/compensation`;
  if (kind === 'wait' || kind === 'delay') {
    context.findings.add(at, 'NOTHING_TO_UNDO', `a task that waits has nothing to compensate`);
    return undefined;
  }
  const agent = agentAt(compensation, at, context);
  if (agent === undefined) {
    if (compensation.role === undefined && compensation.capability === undefined)
      context.findings.add(at, 'ROLE_OR_CAPABILITY', 'name the role or the capability that compensates the task');
    return undefined;
  }
  return {
    agent,
    input: templateAt(compensation.input, `${at}/input`, context),
    timeoutMs: compensation.timeoutMs,
    retry: compensation.retry ?? DEFAULT_RETRY,
  };
};

const checkOptions = (task: TaskDefinition, kind: Step['kind'], pointer: string, { findings }: Context): void => {
  if (task.forEach !== undefined && kind !== 'agent')
    findings.add(`${pointer}/forEach`, 'AGENT_ONLY', 'only a task that calls an agent can run for each item');
  if (task.pivot && task.forEach !== undefined)
    findings.add(`${pointer}/pivot`, 'PIVOT_FOR_EACH', 'a task that runs for each item cannot be the pivot');
  if (task.waitFor?.kind === 'event' && task.waitFor.options !== undefined)
    findings.add(`${pointer}/waitFor/options`, 'DECISION_ONLY', 'only a decision has options');
  if ((kind === 'wait' || kind === 'delay') && task.input !== undefined)
    findings.add(`${pointer}/input`, 'AGENT_ONLY', 'a task that waits takes no input');
};

const stepAt = (task: TaskDefinition, index: number, context: Context): Step => {
  const pointer = `/tasks/${index}`;
  const kind = kindAt(task, pointer, context);
  checkOptions(task, kind, pointer, context);
  return {
    index,
    id: task.id,
    definition: task,
    kind,
    agent: agentAt(task, pointer, context),
    retry: task.retry ?? DEFAULT_RETRY,
    when: task.when === undefined ? undefined : expressionAt(task.when, `${pointer}/when`, context),
    input: templateAt(task.input, `${pointer}/input`, context),
    items:
      task.forEach === undefined ? undefined : expressionAt(task.forEach.items, `${pointer}/forEach/items`, context),
    compensation: compensationAt(task, kind, pointer, context),
  };
};

type Read = { readonly expression: Expression; readonly pointer: string; readonly mayUseItem: boolean };

const readsOf = ({ index, definition, when, input, items, compensation }: Step): Read[] => {
  const pointer = `/tasks/${index}`;
  const each = definition.forEach !== undefined;
  return [
    ...(when ? [{ expression: when, pointer: `${pointer}/when`, mayUseItem: false }] : []),
    ...(items ? [{ expression: items, pointer: `${pointer}/forEach/items`, mayUseItem: false }] : []),
    ...(input?.expressions ?? []).map((expression) => ({ expression, pointer: `${pointer}/input`, mayUseItem: each })),
    ...(compensation?.input?.expressions ?? []).map((expression) => ({
      expression,
      pointer: `${pointer}/compensation/input`,
      mayUseItem: each,
    })),
  ];
};

/** A task may read only what has ended for sure when it starts: the tasks that it depends on, directly or not. */
const checkReads = (
  steps: readonly Step[],
  indexOf: ReadonlyMap<string, number>,
  plan: Plan | undefined,
  { findings }: Context,
): void => {
  for (const step of steps) {
    let ancestors: ReadonlySet<number> | undefined;
    for (const { expression, pointer, mayUseItem } of readsOf(step)) {
      if (expression.usesItem && !mayUseItem)
        findings.add(pointer, 'NO_ITEM', `item and index are known only in the input of a task with forEach`);
      for (const id of expression.taskIds) {
        const index = indexOf.get(id);
        if (index === undefined)
          findings.add(pointer, 'UNKNOWN_TASK', `${JSON.stringify(expression.text)}: there is no task ${id}`);
        else if (plan && !step.definition.dependsOn.includes(id)) {
          ancestors ??= ancestorsOf(plan, step.index);
          if (!ancestors.has(index))
            findings.add(
              pointer,
              'NOT_A_DEPENDENCY',
              `${JSON.stringify(expression.text)}: ${step.id} does not depend on ${id}, whose output may not be there yet`,
            );
        }
      }
    }
  }
};

const checkOutput = (
  output: Template | undefined,
  indexOf: ReadonlyMap<string, number>,
  { findings }: Context,
): void => {
  for (const { taskIds, text, usesItem } of output?.expressions ?? []) {
    if (usesItem) findings.add('/output', 'NO_ITEM', `${JSON.stringify(text)}: there is no item here`);
    for (const id of taskIds)
      if (!indexOf.has(id)) findings.add('/output', 'UNKNOWN_TASK', `${JSON.stringify(text)}: there is no task ${id}`);
  }
};

const checkSelection = ({ definition, findings }: Context, indexOf: ReadonlyMap<string, number>): void => {
  for (const [at, id] of definition.saga.select.tasks.entries())
    if (!indexOf.has(id)) findings.add(`/saga/select/tasks/${at}`, 'UNKNOWN_TASK', `there is no task ${id}`);
};

/** Of a task without a compensation. One that waits has no effect of its own. */
const REMAINS: Readonly<Record<Step['kind'], string | undefined>> = {
  agent: 'its effect stays',
  workflow:
    'its sub-workflow is compensated task by task, and what has no compensation there, or has passed a pivot, stays',
  wait: undefined,
  delay: undefined,
};

/** What the static check of a saga finds (requirements 2.6): compensations that are missing, and compensations that can never run. */
const warningsOf = (definition: WorkflowDefinition, steps: readonly Step[], plan: Plan): DefinitionIssue[] => {
  const warnings = new Findings();
  const pivots = steps.filter((step) => step.definition.pivot);
  const beforePivot = new Set(pivots.flatMap(({ index }) => [...ancestorsOf(plan, index)]));
  const behind = new Set(pivots.flatMap(({ index }) => [...descendantsOf(plan, index)]));
  const afterPivot = steps.filter(({ index }) => behind.has(index));
  const wantsUndo = definition.pattern === 'saga' || steps.some(({ compensation }) => compensation !== undefined);
  for (const step of wantsUndo ? steps : []) {
    const compensable =
      pivots.length === 0 || (beforePivot.has(step.index) && !behind.has(step.index) && !step.definition.pivot);
    const remains = compensable && step.compensation === undefined ? REMAINS[step.kind] : undefined;
    if (remains) warnings.add(`/tasks/${step.index}`, 'NO_COMPENSATION', `${step.id} has no compensation: ${remains}`);
  }
  for (const step of afterPivot) {
    if (step.compensation)
      warnings.add(
        `/tasks/${step.index}/compensation`,
        'UNREACHABLE_COMPENSATION',
        `${step.id} comes after the pivot: it is never compensated`,
      );
    if (step.definition.pivot)
      warnings.add(`/tasks/${step.index}/pivot`, 'SECOND_PIVOT', `${step.id} comes after another pivot`);
  }
  return warnings.issues;
};

/**
 * Checks a definition as a whole and plans its graph.
 *
 * Errors: `Result` with every issue found, at most 200, each by JSON pointer.
 */
export const compileWorkflow = (definition: WorkflowDefinition): Result<Workflow, readonly DefinitionIssue[]> => {
  const context: Context = { definition, findings: new Findings() };
  const { findings } = context;
  const planned = planGraph(definition.tasks);
  if (!planned.ok)
    for (const { pointer, code, message } of planned.rejection.issues) findings.add(`/tasks${pointer}`, code, message);
  const plan = planned.ok ? planned.value : undefined;
  const steps = definition.tasks.map((task, index) => stepAt(task, index, context));
  const indexOf = new Map(steps.map(({ id, index }) => [id, index]));
  const output = templateAt(definition.output, '/output', context);
  if (definition.inputSchema !== undefined)
    checkInputSchema(definition.inputSchema, '/inputSchema', (...issue) => findings.add(...issue));
  checkReads(steps, indexOf, plan, context);
  checkOutput(output, indexOf, context);
  checkSelection(context, indexOf);
  if (plan === undefined || findings.issues.length > 0) return rejected(findings.issues);
  const sinks = steps.flatMap(({ index }) => (plan.dependantsOf(index).length === 0 ? [index] : []));
  return ok({ definition, plan, steps, indexOf, output, sinks, warnings: warningsOf(definition, steps, plan) });
};

/** Compiled definitions kept, by content: executions of one definition share it. */
const KEPT = 256;
const compiled = new Map<string, Workflow>();

/**
 * The compiled form of a definition that was valid when it was published, by its digest.
 *
 * Errors: a plain throw (a bug) for one that is not valid.
 */
export const workflowOf = (digest: string, definition: WorkflowDefinition): Workflow => {
  const known = compiled.get(digest);
  if (known) return known;
  const result = compileWorkflow(definition);
  if (!result.ok)
    throw new Error(
      `bug: workflow ${definition.name}@${definition.version} is not valid: ${JSON.stringify(result.rejection[0])}`,
    );
  if (compiled.size >= KEPT) compiled.delete(compiled.keys().next().value as string);
  compiled.set(digest, result.value);
  return result.value;
};
