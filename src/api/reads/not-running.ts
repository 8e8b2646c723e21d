import type { Running } from '../../domain/execution/state.ts';
import {
  byRank,
  type NotRunning,
  type NotRunningReason,
  OBSTACLE_OF,
  whyNotRunning,
} from '../../domain/execution/why-not-running.ts';
import { instantOf } from '../../domain/instant.ts';
import type { Obstacle } from '../../domain/routing/obstacles.ts';
import type { Waiting } from '../../domain/routing/why-waiting.ts';
import type { TaskRow } from '../../projections/tasks/table.ts';
import { notRunningText, unblockText, waitingForAgentText } from '../../wording/executions.ts';
import type { ReadContext } from './context.ts';
import { waitingOf } from './waiting.ts';

/** Why a step, or the compensation of a unit, is neither done nor in an agent's hands. */
export type NotRunningEntry = {
  readonly unit: string;
  readonly reason: NotRunningReason;
  readonly obstacle: Obstacle;
  readonly message: string;
  /** The least that would have to change. */
  readonly unblock: string;
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

/** What only the read models know of tasks. */
export type TaskLookUp = {
  /** The rows of these tasks, in their order; null for one that the read model does not know yet. */
  readonly tasks: (taskIds: readonly string[]) => Promise<readonly (TaskRow | null)[]>;
  /** Why a task that is ready has no agent. */
  readonly waiting: (task: TaskRow) => Promise<Waiting | null>;
};

/** Entries of one answer. A caller with more steps that do not run reads the graph. */
const MAX_ENTRIES = 1_000;

const entryOf = (finding: NotRunning): NotRunningEntry => ({
  unit: finding.unit,
  reason: finding.reason,
  obstacle: OBSTACLE_OF[finding.reason],
  message: notRunningText(finding),
  unblock: unblockText(finding),
  dependencies: 'dependencies' in finding ? finding.dependencies : [],
  until: 'dueMs' in finding && finding.dueMs !== undefined ? instantOf(finding.dueMs) : null,
  name: ('name' in finding && finding.name) || null,
  options: 'options' in finding ? finding.options : [],
  childExecutionId: ('childId' in finding && finding.childId) || null,
  taskId: finding.reason === 'agent' ? finding.tasks[0] : ('taskId' in finding && finding.taskId) || null,
});

/** Reasons of tasks that are reasons of their steps, too; of the others a step waits for an agent. */
const SHOWN_AS: Readonly<Partial<Record<Waiting['reason'], NotRunningReason>>> = {
  execution_aborting: 'aborting',
  execution_paused: 'paused',
  retry_delay: 'retry',
};

type Offered = Extract<NotRunning, { readonly reason: 'agent' }>;

/** Undefined when an agent holds one of the tasks: then it runs. */
const entryOfTasks = async (
  finding: Offered,
  execution: Running,
  rows: readonly (TaskRow | null)[],
  { waiting }: TaskLookUp,
): Promise<NotRunningEntry | undefined> => {
  if (rows.some((row) => row?.status === 'assigned')) return undefined;
  const entry = entryOf(finding);
  const task = rows.find((row) => row?.status === 'ready');
  if (!task) return entry;
  // The stream is ahead of the read models.
  if (execution.paused) return { ...entryOf({ unit: finding.unit, reason: 'paused' }), taskId: task.taskId };
  const why = await waiting(task);
  if (why === null) return undefined;
  const { obstacle, unblock, until } = why;
  const reason = SHOWN_AS[why.reason] ?? 'agent';
  return { ...entry, taskId: task.taskId, reason, obstacle, message: waitingForAgentText(why), unblock, until };
};

/** Why each step and each compensation that is neither done nor in an agent's hands does not run; what somebody could end comes first. */
export const explainNotRunning = async (execution: Running, lookUp: TaskLookUp): Promise<NotRunningEntry[]> => {
  const all = whyNotRunning(execution);
  const findings = all.length > MAX_ENTRIES ? all.sort(byRank).slice(0, MAX_ENTRIES) : all;
  const taskIds = findings.flatMap((finding) => (finding.reason === 'agent' ? finding.tasks : []));
  const rows = await lookUp.tasks(taskIds);
  const rowOf = new Map(taskIds.map((taskId, index) => [taskId, rows[index] ?? null]));
  const entries = await Promise.all(
    findings.map((finding) =>
      finding.reason === 'agent'
        ? entryOfTasks(
            finding,
            execution,
            finding.tasks.map((taskId) => rowOf.get(taskId) ?? null),
            lookUp,
          )
        : entryOf(finding),
    ),
  );
  // The read models have changed some of the reasons.
  return entries.filter((entry) => entry !== undefined).sort(byRank);
};

/** The same with the read models of one operation. */
export const notRunningIn = (execution: Running, context: ReadContext): Promise<NotRunningEntry[]> =>
  explainNotRunning(execution, {
    tasks: (ids) => Promise.all(ids.map((id) => context.reads.tasks.load(id))),
    waiting: (task) => waitingOf(task, context),
  });
