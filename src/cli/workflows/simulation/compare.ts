import type { ExecutionStreamEvent } from '../../../domain/execution/events.ts';
import { planGraph } from '../../../domain/planning/graph.ts';
import type { Workflow } from '../../../domain/workflow/compile.ts';
import type { Recording } from '../../../domain/workflow/import-wfformat.ts';
import { quantile } from '../../format.ts';
import { checkOrder, type Violation } from './check-order.ts';
import type { Model } from './model.ts';
import type { Run } from './simulator.ts';

/** Milliseconds; `recorded…` before the speedup, the others as they passed here. */
export type Comparison = {
  readonly workflow: string;
  readonly executionId: string;
  readonly status: string;
  readonly tasks: number;
  readonly edges: number;
  readonly levels: number;
  readonly speedup: number;
  readonly agents: number;
  readonly assumedRuntimes: number;
  /** From the first event of the execution to its last. */
  readonly makespanMs: number;
  /** The same times the speedup, to be compared with what was recorded. */
  readonly scaledMakespanMs: number;
  readonly recordedMakespanMs: number | null;
  /** No schedule is shorter, whatever the number of agents. */
  readonly recordedCriticalPathMs: number;
  /** No schedule on so many agents is shorter. */
  readonly recordedWorkPerAgentMs: number;
  /** The larger of both, with the durations that the calls had here. What goes beyond it is overhead. */
  readonly boundMs: number;
  readonly overhead: {
    readonly ms: number;
    readonly perTaskMs: number;
    /** By the tasks of the critical path, which wait for each other. */
    readonly perStepMs: number;
    /** Of the makespan. */
    readonly share: number;
  };
  /** As the execution itself recorded it: no agent was working, and nothing was waited for. */
  readonly idleMs: number;
  /** What timers made of the durations asked for: they fire late, and none is shorter than a millisecond. */
  readonly timers: {
    readonly askedMs: number;
    readonly tookMs: number;
    readonly lateP50Ms: number;
    readonly lateP99Ms: number;
    /** By so much the bound grew. */
    readonly boundGrewMs: number;
  };
  readonly dependenciesChecked: number;
  readonly violations: readonly Violation[];
};

const round = (value: number, decimals = 3): number => Number(value.toFixed(decimals));

type Lengths = {
  readonly pathMs: number;
  readonly pathTasks: number;
  readonly workMs: number;
  readonly boundMs: number;
};

const lengthsOf = ({ definition, agents }: Model, durationsMs: readonly number[]): Lengths => {
  const nodes = definition.tasks.map(({ id, dependsOn = [] }, index) => ({
    id,
    dependsOn,
    estimateMs: durationsMs[index] ?? 0,
  }));
  const planned = planGraph(nodes);
  if (!planned.ok) throw new Error('bug: a model without a plan');
  const { criticalPath, totalWorkMs } = planned.value;
  const most = Math.min(agents, definition.coordination?.maxParallel ?? agents);
  return {
    pathMs: criticalPath.lengthMs,
    pathTasks: criticalPath.nodes.length,
    workMs: totalWorkMs,
    boundMs: Math.max(criticalPath.lengthMs, totalWorkMs / most),
  };
};

const spanOf = (events: readonly ExecutionStreamEvent[]): { makespanMs: number; idleMs: number } => {
  const end = events.findLast(({ type }) => type === 'ExecutionCompleted');
  return end?.type === 'ExecutionCompleted'
    ? { makespanMs: end.data.durationMs, idleMs: end.data.overheadMs }
    : { makespanMs: 0, idleMs: 0 };
};

const timersOf = (askedMs: readonly number[], sleptMs: readonly number[], boundGrewMs: number) => {
  const late = sleptMs.map((slept, index) => slept - (askedMs[index] ?? 0)).sort((a, b) => a - b);
  return {
    askedMs: round(askedMs.reduce((sum, ms) => sum + ms, 0)),
    tookMs: round(sleptMs.reduce((sum, ms) => sum + ms, 0)),
    lateP50Ms: round(quantile(late, 0.5) ?? 0),
    lateP99Ms: round(quantile(late, 0.99) ?? 0),
    boundGrewMs: round(boundGrewMs),
  };
};

export type Simulated = {
  readonly workflow: Workflow;
  readonly recording: Recording;
  readonly model: Model;
  readonly speedup: number;
};

export const compare = ({ workflow, recording, model, speedup }: Simulated, run: Run): Comparison => {
  const { plan, definition } = workflow;
  const askedMs = model.runtimesMs.map((runtimeMs) => runtimeMs / speedup);
  const recorded = lengthsOf(model, model.runtimesMs);
  const slept = lengthsOf(model, run.sleptMs);
  const { makespanMs, idleMs } = spanOf(run.events);
  const overheadMs = makespanMs - slept.boundMs;
  const tasks = model.definition.tasks.map(({ id, dependsOn = [] }) => ({ id, dependsOn }));
  return {
    workflow: definition.name,
    executionId: run.executionId,
    status: run.status,
    tasks: plan.size,
    edges: plan.edges,
    levels: plan.levels.length,
    speedup,
    agents: model.agents,
    assumedRuntimes: model.assumed,
    makespanMs,
    scaledMakespanMs: round(makespanMs * speedup),
    recordedMakespanMs: recording.makespanMs ?? null,
    recordedCriticalPathMs: round(recorded.pathMs),
    recordedWorkPerAgentMs: round(recorded.workMs / model.agents),
    boundMs: round(slept.boundMs),
    overhead: {
      ms: round(overheadMs),
      perTaskMs: round(overheadMs / plan.size),
      perStepMs: round(overheadMs / slept.pathTasks),
      share: round(makespanMs === 0 ? 0 : overheadMs / makespanMs),
    },
    idleMs: round(idleMs),
    timers: timersOf(askedMs, run.sleptMs, slept.boundMs - recorded.boundMs / speedup),
    dependenciesChecked: plan.edges,
    violations: checkOrder(tasks, run.events),
  };
};
