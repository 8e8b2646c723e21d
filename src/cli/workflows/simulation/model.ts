import type { z } from 'zod';
import type { Workflow } from '../../../domain/workflow/compile.ts';
import type { TaskDefinition, WorkflowDefinition } from '../../../domain/workflow/definition.ts';
import type { Recording } from '../../../domain/workflow/import-wfformat.ts';

export const POOL = 'simulation';
export const CAPABILITY = 'simulate';
/** For tasks that nobody knows a duration of. */
export const ASSUMED_MS = 1_000;
const MAX_PARALLEL = 1_000;
/** On top of the call itself, so that a busy machine loses none. */
const GRACE_MS = 60_000;
const MAX_TIMEOUT_MS = 2_147_483_647;

/** A graph whose tasks do nothing but take their time. */
export type Model = {
  readonly definition: z.input<typeof WorkflowDefinition>;
  /** In the order of the tasks, before the speedup. */
  readonly runtimesMs: readonly number[];
  /** Tasks for which `ASSUMED_MS` was taken. */
  readonly assumed: number;
  readonly agents: number;
};

const runtimeOf = ({ input, estimateMs, delayMs }: TaskDefinition): number | undefined => {
  const given = (input as { readonly runtimeMs?: unknown } | null | undefined)?.runtimeMs;
  return typeof given === 'number' && given >= 0 ? given : (delayMs ?? estimateMs);
};

/** As many as could ever work at a time, and no fewer than there were cores (or machines) when it was recorded. */
const usualAgents = ({ plan }: Workflow, { cores, machines }: Recording): number =>
  Math.max(1, plan.maxParallelism, cores ?? machines ?? 0);

export type ModelOptions = { readonly speedup: number; readonly agents: number | undefined };

/**
 * Keeps the graph and the durations of a definition and nothing else: conditions, lists and expressions are not evaluated, waits and
 * sub-workflows become calls that take as long as their estimates say.
 */
export const modelOf = (workflow: Workflow, recording: Recording, { speedup, agents }: ModelOptions): Model => {
  const { tasks, name } = workflow.definition;
  const known = tasks.map(runtimeOf);
  const runtimesMs = known.map((runtimeMs) => runtimeMs ?? ASSUMED_MS);
  const count = agents ?? usualAgents(workflow, recording);
  return {
    runtimesMs,
    assumed: known.filter((runtimeMs) => runtimeMs === undefined).length,
    agents: count,
    definition: {
      name,
      version: '1.0.0',
      agents: { simulator: { capability: CAPABILITY, pool: POOL } },
      coordination: { maxParallel: Math.min(count, MAX_PARALLEL) },
      tasks: tasks.map(({ id, dependsOn }, index) => {
        const sleepMs = (runtimesMs[index] ?? 0) / speedup;
        return {
          id,
          role: 'simulator',
          dependsOn,
          input: { task: index },
          timeoutMs: Math.min(Math.ceil(sleepMs * 2) + GRACE_MS, MAX_TIMEOUT_MS),
        };
      }),
    },
  };
};
