import {
  hasEnded,
  isSatisfied,
  type Running,
  type StepState,
  statusOf,
  type UnitCompensation,
} from '../../../domain/execution/state.ts';
import { compensationOf } from '../../../domain/execution/unit.ts';
import type { Waiting as TaskWaiting } from '../../../domain/routing/why-waiting.ts';
import type { TaskRow } from '../../../projections/tasks/table.ts';
import { named, type StepView, stepsOf, unitsOf } from './execution-steps.ts';

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

/** Why a step, or the undo of a unit, is neither done nor in an agent's hands. */
export type NotRunning = {
  /** `calculate`; of an undo `~calculate`. */
  readonly unit: string;
  readonly reason: NotRunningReason;
  readonly message: string;
  /** What must end before. */
  readonly dependencies: readonly string[];
  /** When it is tried again, ends, or is given up. */
  readonly until: string | null;
  /** Of the event or the decision that it waits for. */
  readonly name: string | null;
  readonly options: readonly string[];
  readonly childExecutionId: string | null;
  readonly taskId: string | null;
};

/** An entry, and the open tasks to be asked about: only the pool's ledger knows who holds one. */
type Finding = NotRunning & { readonly ask: readonly string[] };

const NO_FACTS = {
  dependencies: [],
  until: null,
  name: null,
  options: [],
  childExecutionId: null,
  taskId: null,
  ask: [],
} as const;

const instantOf = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());
const untilText = (until: string | null, what = 'until'): string => (until === null ? '' : `, ${what} ${until}`);

const unmetDependencies = ({ execution, step }: StepView): string[] =>
  step.definition.dependsOn.filter((id) => {
    const index = execution.compiled.indexOf.get(id);
    const dependency = index === undefined ? undefined : execution.compiled.steps[index];
    return dependency && !isSatisfied(execution.steps.get(dependency.index), dependency.definition.onFailure);
  });

const WAITS = {
  delay: ({ until }: { until: string | null }) => `waits${untilText(until)}`,
  event: ({ until, name }: { until: string | null; name: string | null }) =>
    `waits for the event ${name} from outside${untilText(until, 'given up at')}`,
  decision: ({ until, name }: { until: string | null; name: string | null }) =>
    `waits for the decision ${name} of a person${untilText(until, 'given up at')}`,
} as const;

const ofWaiting = (unit: string, waiting: NonNullable<StepState['waiting']>): Finding => {
  const until = instantOf(waiting.dueMs);
  const name = waiting.name ?? null;
  if (waiting.kind === 'workflow')
    return {
      ...NO_FACTS,
      unit,
      reason: 'workflow',
      message: `waits for its sub-workflow, execution ${waiting.childId}`,
      childExecutionId: waiting.childId ?? null,
    };
  const options =
    waiting.kind === 'decision' && waiting.options === undefined ? ['approved', 'rejected'] : (waiting.options ?? []);
  return {
    ...NO_FACTS,
    unit,
    reason: waiting.kind,
    message: WAITS[waiting.kind]({ until, name }),
    until,
    name,
    options,
  };
};

const ofPending = (view: StepView): Finding => {
  const { execution, step } = view;
  const finding = { ...NO_FACTS, unit: step.id };
  const dependencies = unmetDependencies(view);
  if (hasEnded(execution))
    return { ...finding, reason: 'ended', message: `the execution is ${statusOf(execution)}`, dependencies };
  if (execution.abort)
    return {
      ...finding,
      reason: 'aborting',
      message: `no step starts any more: ${execution.abort.reason.replaceAll('_', ' ')}${execution.abort.unit === undefined ? '' : ` in ${execution.abort.unit}`}`,
      dependencies,
    };
  if (dependencies.length > 0)
    return { ...finding, reason: 'dependency', message: `waits for ${named(dependencies)}`, dependencies };
  if (execution.paused) return { ...finding, reason: 'paused', message: 'the execution is paused' };
  const { maxParallel } = execution.compiled.definition.coordination;
  return {
    ...finding,
    reason: 'window',
    message: `${execution.openTasks} tasks are open, and coordination.maxParallel is ${maxParallel}`,
  };
};

const openTasksOf = (view: StepView): string[] =>
  unitsOf(view).flatMap(({ phase, task }) => (phase === 'open' && task ? [task.submitted.taskId] : []));

const ofDebt = (execution: Running, debt: UnitCompensation): Finding | undefined => {
  const finding = { ...NO_FACTS, unit: compensationOf(debt.unit) };
  const taskId = debt.state.task?.submitted.taskId;
  switch (debt.status) {
    case 'pending': {
      const dependencies = debt.after.filter((key) => {
        const before = execution.compensation?.units.get(key);
        return before !== undefined && before.status !== 'completed' && before.status !== 'skipped';
      });
      if (dependencies.length > 0)
        return {
          ...finding,
          reason: 'undo_order',
          message: `comes after the undo of ${named(dependencies)}`,
          dependencies: dependencies.map(compensationOf),
        };
      if (execution.paused) return { ...finding, reason: 'paused', message: 'the execution is paused' };
      return { ...finding, reason: 'window', message: `${execution.openTasks} tasks are open` };
    }
    case 'parked': {
      const message =
        debt.handedOverTo === undefined
          ? `waits at the desk: ${debt.state.error?.code ?? 'it could not be undone'}`
          : `${debt.handedOverTo} sees to it`;
      return { ...finding, reason: 'parked', message, taskId: taskId ?? null };
    }
    case 'open':
      return taskId === undefined ? undefined : { ...finding, reason: 'agent', message: '', taskId, ask: [taskId] };
    default:
      return undefined;
  }
};

const ofStep = (view: StepView): Finding | undefined => {
  const { step, state } = view;
  if (state.waiting) return ofWaiting(step.id, state.waiting);
  if (state.phase === 'pending') return ofPending(view);
  if (state.phase !== 'open') return undefined;
  const ask = openTasksOf(view);
  const [taskId] = ask;
  if (taskId === undefined) return { ...ofPending(view), dependencies: [] };
  return { ...NO_FACTS, unit: step.id, reason: 'agent', message: '', taskId, ask };
};

export type Holders = {
  /** Open tasks with what the read model knows of them; a task that it does not know is absent. */
  readonly tasks: (taskIds: readonly string[]) => Promise<readonly (TaskRow | null)[]>;
  /** Why a task that is ready has no agent. */
  readonly waiting: (task: TaskRow) => Promise<TaskWaiting | null>;
};

/** Entries of one answer; whoever has more steps that do not run looks at the graph. */
const MAX_ENTRIES = 1_000;

/** Undefined when an agent holds one of the tasks: then it runs. */
const ofTasks = async (
  finding: NotRunning,
  execution: Running,
  tasks: readonly (TaskRow | null)[],
  { waiting }: Holders,
): Promise<NotRunning | undefined> => {
  if (tasks.some((task) => task?.status === 'assigned')) return undefined;
  const task = tasks.find((row) => row?.status === 'ready');
  if (!task) return { ...finding, message: 'offered to its pool a moment ago: the read model has not seen it yet' };
  if (execution.paused)
    return { ...finding, reason: 'paused', message: 'the execution is paused: no agent is given the task' };
  const why = await waiting(task);
  if (why === null) return undefined;
  const found = { ...finding, taskId: task.taskId };
  if (why.reason === 'retry_delay') return { ...found, reason: 'retry', message: why.message, until: task.retryAt };
  const counts = `${why.able} agents of pool ${task.pool} offer ${task.capability}: ${why.draining} drain, ${why.unhealthy} are unhealthy, ${why.busy} busy, ${why.free} free`;
  return { ...found, message: `${why.message}; ${counts}` };
};

/** The waits that somebody could end come first. */
const RANK: ReadonlyMap<NotRunningReason, number> = new Map(
  (['parked', 'decision', 'event', 'agent', 'retry', 'paused', 'workflow', 'delay', 'window'] as const).map(
    (reason, index) => [reason, index],
  ),
);
const rankOf = ({ reason }: Pick<NotRunning, 'reason'>): number => RANK.get(reason) ?? RANK.size;
const byRank = (a: Pick<NotRunning, 'reason'>, b: Pick<NotRunning, 'reason'>): number => rankOf(a) - rankOf(b);

const findingsOf = (execution: Running): Finding[] => [
  ...stepsOf(execution).flatMap((view) => ofStep(view) ?? []),
  ...[...(execution.compensation?.units.values() ?? [])].flatMap((debt) => ofDebt(execution, debt) ?? []),
];

/** Why each step and each undo that is neither done nor in an agent's hands does not run. Those that somebody could end come first. */
export const whyNotRunning = async (execution: Running, holders: Holders): Promise<NotRunning[]> => {
  const all = findingsOf(execution);
  const findings = all.length > MAX_ENTRIES ? all.sort(byRank).slice(0, MAX_ENTRIES) : all;
  const asked = findings.flatMap(({ ask }) => ask);
  const rows = await holders.tasks(asked);
  const rowOf = new Map(asked.map((taskId, index) => [taskId, rows[index] ?? null]));
  const entries = await Promise.all(
    findings.map(({ ask, ...finding }) =>
      ask.length === 0
        ? finding
        : ofTasks(
            finding,
            execution,
            ask.map((taskId) => rowOf.get(taskId) ?? null),
            holders,
          ),
    ),
  );
  // What the read models told has changed some of the reasons.
  return entries.filter((entry) => entry !== undefined).sort(byRank);
};
