import type { Obstacle as ObstacleKind } from '../routing/obstacles.ts';
import { stepNamed } from './find.ts';
import {
  type Abort,
  type ExecutionStatus,
  hasEnded,
  isSatisfied,
  type Running,
  type StepState,
  statusOf,
} from './state.ts';
import { openTasksOf, type StepView, stepsOf } from './steps.ts';
import { compensationOf } from './unit.ts';
import type { UnitCompensation } from './unit-state.ts';

export const NOT_RUNNING_REASONS = [
  'ended',
  'aborting',
  'dependency',
  'paused',
  'window',
  'delay',
  'event',
  'decision',
  'workflow',
  'retry',
  'agent',
  'undo_order',
  'parked',
] as const;
export type NotRunningReason = (typeof NOT_RUNNING_REASONS)[number];

/**
 * What kind of obstacle each reason is. An execution that aborts or has ended starts nothing, whatever the step's dependencies do: it waits
 * for those that still run, or for a person.
 */
export const OBSTACLE_OF: Readonly<Record<NotRunningReason, ObstacleKind>> = {
  aborting: 'dependency',
  dependency: 'dependency',
  event: 'dependency',
  workflow: 'dependency',
  undo_order: 'dependency',
  ended: 'human',
  paused: 'human',
  decision: 'human',
  parked: 'human',
  delay: 'timer',
  retry: 'timer',
  window: 'admission',
  agent: 'capacity',
};

type Obstacle =
  | { readonly reason: 'ended'; readonly status: ExecutionStatus; readonly dependencies: readonly string[] }
  | { readonly reason: 'aborting'; readonly abort: Abort; readonly dependencies: readonly string[] }
  | { readonly reason: 'dependency'; readonly dependencies: readonly string[] }
  | { readonly reason: 'paused' }
  /** As many tasks are open as the workflow allows. */
  | { readonly reason: 'window'; readonly openTasks: number; readonly maxParallel: number | undefined }
  | {
      readonly reason: 'delay' | 'event' | 'decision';
      /** When the delay ends, or the wait is given up. */
      readonly dueMs: number | undefined;
      /** Of the event or the decision. */
      readonly name: string | undefined;
      readonly options: readonly string[];
    }
  | { readonly reason: 'workflow'; readonly childId: string | undefined }
  /** Offered to agents. Only the pool's ledger knows who holds these tasks: one that is held runs. */
  | { readonly reason: 'agent'; readonly tasks: readonly [string, ...string[]] }
  /** Other compensations come first. */
  | { readonly reason: 'undo_order'; readonly dependencies: readonly string[] }
  | {
      readonly reason: 'parked';
      readonly taskId: string | undefined;
      readonly handedOverTo: string | undefined;
      readonly errorCode: string | undefined;
    };

/** Why a step, or the compensation of a unit, has not ended and does not run, as far as the execution's own stream shows. */
export type NotRunning = Obstacle & {
  /** `calculate`; of a compensation `~calculate`. */
  readonly unit: string;
};

const unmetDependencies = ({ execution, step }: StepView): string[] =>
  step.definition.dependsOn.filter((id) => {
    const index = execution.compiled.indexOf.get(id);
    const dependency = index === undefined ? undefined : execution.compiled.steps[index];
    return dependency && !isSatisfied(execution.steps.get(dependency.index), dependency.definition.onFailure);
  });

/** What a decision without options of its own can be answered with. */
const DEFAULT_OPTIONS = ['approved', 'rejected'] as const;

const ofWaiting = ({ kind, dueMs, name, options, childId }: NonNullable<StepState['waiting']>): Obstacle => {
  if (kind === 'workflow') return { reason: 'workflow', childId };
  return { reason: kind, dueMs, name, options: options ?? (kind === 'decision' ? DEFAULT_OPTIONS : []) };
};

const ofPending = (execution: Running, dependencies: readonly string[]): Obstacle => {
  if (hasEnded(execution)) return { reason: 'ended', status: statusOf(execution), dependencies };
  if (execution.abort) return { reason: 'aborting', abort: execution.abort, dependencies };
  if (dependencies.length > 0) return { reason: 'dependency', dependencies };
  if (execution.paused) return { reason: 'paused' };
  const { maxParallel } = execution.compiled.definition.coordination;
  return { reason: 'window', openTasks: execution.openTasks, maxParallel };
};

const ofStep = (view: StepView): Obstacle | undefined => {
  const { execution, state } = view;
  if (state.waiting) return ofWaiting(state.waiting);
  if (state.phase === 'pending') return ofPending(execution, unmetDependencies(view));
  if (state.phase !== 'open') return undefined;
  const [first, ...others] = openTasksOf(view);
  return first === undefined ? ofPending(execution, []) : { reason: 'agent', tasks: [first, ...others] };
};

const isClosed = ({ status }: UnitCompensation): boolean => status === 'completed' || status === 'skipped';

const ofPendingCompensation = (execution: Running, { after }: UnitCompensation): Obstacle => {
  const dependencies = after.filter((key) => {
    const before = execution.compensation?.units.get(key);
    return before !== undefined && !isClosed(before);
  });
  if (dependencies.length > 0) return { reason: 'undo_order', dependencies: dependencies.map(compensationOf) };
  if (execution.paused) return { reason: 'paused' };
  return { reason: 'window', openTasks: execution.openTasks, maxParallel: undefined };
};

/** The sub-workflow that is compensated as a whole. */
const childOf = (execution: Running, { unit }: UnitCompensation): string | undefined => {
  const step = stepNamed(execution, unit);
  return step && execution.steps.get(step.index).childId;
};

const ofCompensation = (execution: Running, compensation: UnitCompensation): Obstacle | undefined => {
  const { status, state, handedOverTo } = compensation;
  const taskId = state.task?.submitted.taskId;
  if (status === 'pending') return ofPendingCompensation(execution, compensation);
  if (status === 'open')
    return taskId === undefined
      ? { reason: 'workflow', childId: childOf(execution, compensation) }
      : { reason: 'agent', tasks: [taskId] };
  return status === 'parked' ? { reason: 'parked', taskId, handedOverTo, errorCode: state.error?.code } : undefined;
};

/** Reasons that somebody could do something about come first. */
const RANK: ReadonlyMap<NotRunningReason, number> = new Map(
  (['parked', 'decision', 'event', 'agent', 'retry', 'paused', 'workflow', 'delay', 'window'] as const).map(
    (reason, index) => [reason, index],
  ),
);
const rankOf = ({ reason }: { readonly reason: NotRunningReason }): number => RANK.get(reason) ?? RANK.size;

/** Orders entries so that those that somebody could do something about come first. */
export const byRank = (a: { readonly reason: NotRunningReason }, b: { readonly reason: NotRunningReason }): number =>
  rankOf(a) - rankOf(b);

/** Why each step and each compensation that has not ended and does not run waits, in the order of the definition and the plan. */
export const whyNotRunning = (execution: Running): NotRunning[] => [
  ...stepsOf(execution).flatMap((view) => {
    const obstacle = ofStep(view);
    return obstacle ? [{ unit: view.step.id, ...obstacle }] : [];
  }),
  ...[...(execution.compensation?.units.values() ?? [])].flatMap((compensation) => {
    const obstacle = ofCompensation(execution, compensation);
    return obstacle ? [{ unit: compensationOf(compensation.unit), ...obstacle }] : [];
  }),
];
