import { z } from 'zod';
import { pointerOf } from '../json-pointer.ts';
import { ok, type Result, rejected } from '../result.ts';
import { compileWorkflow, type DefinitionIssue, type Workflow } from './compile.ts';
import { WorkflowDefinition } from './definition.ts';
import { literalText } from './template.ts';

/** What a definition has anyway. */
const DEFAULT_TIMEOUT_MS = 300_000;
const MAX_TIMEOUT_MS = 2_147_483_647;
/** A call may take this much longer than it was recorded before it counts as lost. */
const TIMEOUT_FACTOR = 2;
const MAX_ESTIMATE_MS = 31_536_000_000;
/** An instance with thousands of mistakes is one mistake. */
const MAX_ISSUES = 200;
const MAX_ID_LENGTH = 128;

/** What an imported task asks of an agent: to take as long as the recorded one did. */
export const SIMULATE = 'simulate';

const RecordedTask = z.looseObject({
  id: z.string().min(1),
  name: z.string().optional(),
  parents: z.array(z.string()),
  children: z.array(z.string()),
});
type RecordedTask = z.output<typeof RecordedTask>;

const Machine = z.looseObject({
  cpu: z.looseObject({ coreCount: z.int().min(1).optional() }).optional(),
});

/** The parts of WfFormat 1.5 (WfCommons) that say what depends on what, and how long it took. The rest may be there. */
export const WfFormat = z.looseObject({
  name: z.string().min(1),
  description: z.string().optional(),
  createdAt: z.string().optional(),
  schemaVersion: z.literal('1.5'),
  workflow: z.looseObject({
    specification: z.looseObject({ tasks: z.array(RecordedTask).min(1) }),
    execution: z
      .looseObject({
        makespanInSeconds: z.number().min(0),
        tasks: z.array(z.looseObject({ id: z.string(), runtimeInSeconds: z.number().min(0) })),
        machines: z.array(Machine).optional(),
      })
      .optional(),
  }),
});
type WfFormat = z.output<typeof WfFormat>;

/** Where it ran and how long it took in all. */
export type Recording = {
  readonly makespanMs: number | undefined;
  readonly machines: number | undefined;
  /** Of all machines; undefined where one does not state it. */
  readonly cores: number | undefined;
};

export type ImportedWorkflow = {
  /** Without what is default. */
  readonly definition: z.input<typeof WorkflowDefinition>;
  readonly workflow: Workflow;
  readonly recording: Recording;
  /** Recorded ids that are not valid task ids here, or are duplicates once made valid. */
  readonly renamed: readonly { readonly recordedId: string; readonly id: string }[];
};

class Issues {
  readonly list: DefinitionIssue[] = [];

  add(pointer: string, code: string, message: string): void {
    if (this.list.length < MAX_ISSUES) this.list.push({ pointer, code, message });
  }
}

const TASKS = '/workflow/specification/tasks';
const RUNS = '/workflow/execution/tasks';
const quoted = JSON.stringify;

const shapeIssues = (error: z.ZodError): DefinitionIssue[] =>
  error.issues.slice(0, MAX_ISSUES).map(({ path, message }) => ({
    pointer: pointerOf(path),
    code: 'NO_WFFORMAT',
    message,
  }));

const RESERVED = new Set(['constructor', 'prototype']);
const isValidId = (id: string): boolean => /^[A-Za-z][A-Za-z0-9_-]{0,127}$/.test(id) && !RESERVED.has(id);

const validIdOf = (recorded: string): string => {
  const plain = recorded.replaceAll(/[^A-Za-z0-9_-]/g, '_');
  const id = (/^[A-Za-z]/.test(plain) ? plain : `t_${plain}`).slice(0, MAX_ID_LENGTH);
  return RESERVED.has(id) ? `${id}_` : id;
};

const firstFree = (wanted: string, taken: ReadonlySet<string>): string => {
  for (let id = wanted, nth = 2; ; nth += 1) {
    if (!taken.has(id)) return id;
    const suffix = `_${nth}`;
    id = `${wanted.slice(0, MAX_ID_LENGTH - suffix.length)}${suffix}`;
  }
};

/** Recorded id to task id. Valid ids stay as they are; the others get new names afterwards. */
const idsOf = (tasks: readonly RecordedTask[]): ReadonlyMap<string, string> => {
  const ids = new Map(tasks.filter(({ id }) => isValidId(id)).map(({ id }) => [id, id]));
  const taken = new Set(ids.values());
  for (const { id: recorded } of tasks) {
    if (ids.has(recorded)) continue;
    const id = firstFree(validIdOf(recorded), taken);
    ids.set(recorded, id);
    taken.add(id);
  }
  return ids;
};

/** Each edge is listed twice, by its parent and by its child: an edge that only one of them lists is a mistake. */
const checkLinks = (tasks: readonly RecordedTask[], issues: Issues): void => {
  const parentsOf = new Map(tasks.map(({ id, parents }) => [id, new Set(parents)]));
  const childrenOf = new Map(tasks.map(({ id, children }) => [id, new Set(children)]));
  if (parentsOf.size < tasks.length) {
    const seen = new Set<string>();
    for (const [index, { id }] of tasks.entries()) {
      if (seen.has(id))
        issues.add(`${TASKS}/${index}/id`, 'DUPLICATE_ID', `${quoted(id)} is the id of an earlier task`);
      seen.add(id);
    }
  }
  for (const [index, { id, parents, children }] of tasks.entries()) {
    for (const [at, parent] of parents.entries()) {
      const pointer = `${TASKS}/${index}/parents/${at}`;
      const theirs = childrenOf.get(parent);
      if (theirs === undefined) issues.add(pointer, 'UNKNOWN_TASK', `there is no task ${quoted(parent)}`);
      else if (!theirs.has(id))
        issues.add(pointer, 'LINKS_DISAGREE', `${quoted(parent)} does not name ${quoted(id)} among its children`);
    }
    for (const [at, child] of children.entries()) {
      const pointer = `${TASKS}/${index}/children/${at}`;
      const theirs = parentsOf.get(child);
      if (theirs === undefined) issues.add(pointer, 'UNKNOWN_TASK', `there is no task ${quoted(child)}`);
      else if (!theirs.has(id))
        issues.add(pointer, 'LINKS_DISAGREE', `${quoted(child)} does not name ${quoted(id)} among its parents`);
    }
  }
};

const microseconds = (ms: number): number => Number(ms.toFixed(3));

/** Recorded id to duration. */
const runtimesOf = ({ workflow }: WfFormat, timeScale: number, issues: Issues): ReadonlyMap<string, number> => {
  const known = new Set(workflow.specification.tasks.map(({ id }) => id));
  const runtimes = new Map<string, number>();
  for (const [index, { id, runtimeInSeconds }] of (workflow.execution?.tasks ?? []).entries()) {
    const runtimeMs = microseconds(runtimeInSeconds * 1_000 * timeScale);
    if (!known.has(id)) issues.add(`${RUNS}/${index}/id`, 'UNKNOWN_TASK', `there is no task ${quoted(id)}`);
    else if (runtimes.has(id)) issues.add(`${RUNS}/${index}/id`, 'DUPLICATE_ID', `${quoted(id)} was recorded before`);
    else if (runtimeMs > MAX_ESTIMATE_MS)
      issues.add(`${RUNS}/${index}/runtimeInSeconds`, 'OUT_OF_RANGE', `is ${runtimeMs} ms, a year at most`);
    runtimes.set(id, runtimeMs);
  }
  return runtimes;
};

/** The input holds the recorded id only where it had to be changed: in every task it would make large definitions too large. */
const taskOf = (
  { id: recordedId, parents }: RecordedTask,
  ids: ReadonlyMap<string, string>,
  runtimeMs: number | undefined,
): z.input<typeof WorkflowDefinition>['tasks'][number] => ({
  id: ids.get(recordedId) ?? recordedId,
  capability: SIMULATE,
  ...(parents.length === 0 ? {} : { dependsOn: parents.map((parent) => ids.get(parent) ?? parent) }),
  input: {
    runtimeMs: runtimeMs ?? 0,
    ...(ids.get(recordedId) === recordedId ? {} : { recordedId: literalText(recordedId) }),
  },
  ...(runtimeMs === undefined ? {} : { estimateMs: runtimeMs }),
  ...(runtimeMs !== undefined && runtimeMs * TIMEOUT_FACTOR > DEFAULT_TIMEOUT_MS
    ? { timeoutMs: Math.min(Math.ceil(runtimeMs * TIMEOUT_FACTOR), MAX_TIMEOUT_MS) }
    : {}),
});

const workflowNameOf = (name: string): string => {
  const plain = name.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 128);
  return /^[A-Za-z0-9]/.test(plain) ? plain : `w${plain}`.slice(0, 128);
};

/** The day of the recording, since an instance has no version of its own: `2020.4.13`; `1.0.0` where it names no day. */
const versionOf = (createdAt: string | undefined): string => {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)/.exec(createdAt ?? '') ?? [];
  return year === undefined ? '1.0.0' : `${Number(year)}.${Number(month)}.${Number(day)}`;
};

const recordingOf = ({ workflow: { execution } }: WfFormat): Recording => {
  const counts = execution?.machines?.map(({ cpu }) => cpu?.coreCount);
  const told = counts?.filter((count) => count !== undefined);
  return {
    makespanMs: execution === undefined ? undefined : execution.makespanInSeconds * 1_000,
    machines: counts?.length,
    cores: told && told.length > 0 && told.length === counts?.length ? told.reduce((a, b) => a + b, 0) : undefined,
  };
};

/** The plan finds what is wrong with the graph; its tasks keep the order of the instance's. */
const inInstance = ({ pointer, ...issue }: DefinitionIssue): DefinitionIssue => ({
  ...issue,
  pointer: pointer.replace(/^\/tasks/, TASKS).replace('/dependsOn', '/parents'),
});

/**
 * Turns a recorded run into a definition with the same graph, in which each task asks an agent to take as long as the recorded one.
 *
 * Errors: `Result` with every issue found, at most 200, each by JSON pointer into the instance.
 * Source: WfFormat 1.5, https://github.com/wfcommons/wfformat
 *
 * @param timeScale what a recorded second becomes, in seconds
 */
export const importWfFormat = (
  input: unknown,
  { timeScale = 1 }: { readonly timeScale?: number } = {},
): Result<ImportedWorkflow, readonly DefinitionIssue[]> => {
  const parsed = WfFormat.safeParse(input);
  if (!parsed.success) return rejected(shapeIssues(parsed.error));
  const instance = parsed.data;
  const { tasks } = instance.workflow.specification;
  const issues = new Issues();
  checkLinks(tasks, issues);
  const runtimes = runtimesOf(instance, timeScale, issues);
  if (issues.list.length > 0) return rejected(issues.list);
  const ids = idsOf(tasks);
  const definition: z.input<typeof WorkflowDefinition> = {
    name: workflowNameOf(instance.name),
    version: versionOf(instance.createdAt),
    description: `Imported from the WfFormat 1.5 instance ${instance.name}`.slice(0, 2_000).toWellFormed(),
    tags: ['wfformat'],
    tasks: tasks.map((task) => taskOf(task, ids, runtimes.get(task.id))),
  };
  const checked = WorkflowDefinition.safeParse(definition);
  if (!checked.success) return rejected(shapeIssues(checked.error).map(inInstance));
  const compiled = compileWorkflow(checked.data);
  if (!compiled.ok) return rejected(compiled.rejection.map(inInstance));
  const renamed = [...ids].flatMap(([recordedId, id]) => (recordedId === id ? [] : [{ recordedId, id }]));
  return ok({ definition, workflow: compiled.value, recording: recordingOf(instance), renamed });
};
