import type { z } from 'zod';
import { AgentRequirement, TaskDefinition, WorkflowDefinition } from './definition.ts';

type Members = Readonly<Record<string, unknown>>;

const membersOf = (value: unknown): Members | undefined =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Members) : undefined;

/** The value as a schema reads it; undefined where it does not. Without errors: to describe them all takes longer than to find them. */
const read = (schema: z.core.$ZodType, value: unknown): unknown => {
  const parsed = schema._zod.run({ value, issues: [] }, { async: false });
  return parsed instanceof Promise || parsed.issues.length > 0 ? undefined : parsed.value;
};

/** The members whose values are as they should be. */
const readable = (shape: Readonly<Record<string, z.core.$ZodType>>, given: Members): Members =>
  Object.fromEntries(
    Object.entries(shape).flatMap(([name, schema]) => {
      const value = read(schema, given[name]);
      return value === undefined ? [] : [[name, value]];
    }),
  );

const STANDS_IN = { capability: 'stands-in' } as const;
const WORK = ['role', 'capability', 'workflow', 'waitFor', 'delayMs'] as const;

/** A task with what is right about it; work and id are made up where they cannot be read. */
const taskFrom = (given: unknown, index: number): TaskDefinition => {
  const right = read(TaskDefinition, given);
  if (right !== undefined) return right as TaskDefinition;
  const members = membersOf(given) ?? {};
  const known = readable(TaskDefinition.shape, members);
  const id = typeof members['id'] === 'string' ? members['id'] : `#${index}`;
  const work = WORK.some((name) => known[name] !== undefined) ? {} : STANDS_IN;
  return {
    ...(TaskDefinition.parse({ id: 'a', ...STANDS_IN }) as object),
    capability: undefined,
    ...known,
    ...work,
    id,
  } as never;
};

/** Whether ids and dependencies can be read. Where they cannot, what a task may read is not known. */
const hasGraph = (tasks: readonly unknown[]): boolean =>
  tasks.every((task) => {
    const { id, dependsOn } = membersOf(task) ?? {};
    return typeof id === 'string' && read(TaskDefinition.shape.dependsOn, dependsOn) !== undefined;
  });

const hasLists = (tasks: readonly unknown[]): boolean =>
  tasks.every((task) => {
    const { forEach } = membersOf(task) ?? {};
    return forEach === undefined || read(TaskDefinition.shape.forEach, forEach) !== undefined;
  });

export type StandIn = {
  readonly definition: WorkflowDefinition;
  /** Findings with these codes would follow from what cannot be read. */
  readonly doubtful: ReadonlySet<string>;
};

/**
 * A definition whose shape is wrong, with what is right about it: enough to find what else is wrong. Undefined where there are no tasks to look at.
 */
export const standInFor = (given: unknown): StandIn | undefined => {
  const { agents = {}, tasks, saga, output, inputSchema } = membersOf(given) ?? {};
  if (!Array.isArray(tasks)) return undefined;
  const { shape } = WorkflowDefinition;
  const roles = membersOf(agents);
  const definition = {
    ...WorkflowDefinition.parse({ name: 'a', version: '0.0.0', tasks: [{ id: 'a', ...STANDS_IN }] }),
    ...readable(
      { saga: shape.saga, output: shape.output, inputSchema: shape.inputSchema },
      { saga, output, inputSchema },
    ),
    agents: Object.fromEntries(
      Object.entries(roles ?? {}).map(([role, need]) => [
        role,
        read(AgentRequirement, need) ?? AgentRequirement.parse(STANDS_IN),
      ]),
    ),
    tasks: tasks.map(taskFrom),
  } as WorkflowDefinition;
  return {
    definition,
    doubtful: new Set([
      ...(hasGraph(tasks) ? [] : ['NOT_A_DEPENDENCY', 'UNKNOWN_DEPENDENCY', 'UNKNOWN_TASK']),
      ...(hasLists(tasks) ? [] : ['NO_ITEM']),
      ...(roles === undefined ? ['UNKNOWN_ROLE'] : []),
    ]),
  };
};
