import { taskStream } from '../../domain/ids.ts';
import type { SettleDependencies, SubmitTask } from '../../domain/task/commands.ts';
import type { Task } from '../../domain/task/state.ts';
import type { InputIssue } from '../../platform/errors.ts';
import { badInput, type Caller, type Commands } from '../context.ts';
import { runOnTask } from '../run.ts';

type Ended = SettleDependencies['ended'][string];

/** Tasks in the other states may still complete: someone may redrive them. */
const ENDED: Readonly<Partial<Record<Task['status'], Ended>>> = {
  completed: 'completed',
  cancelled: 'cancelled',
  failed: 'failed',
};

/** Read from the log, not from what this process remembers. Tasks of executions are in the executions' streams: none of them is found. */
const statusOf = async ({ tasks }: Commands, { tenant }: Caller, taskId: string): Promise<Task['status']> =>
  (await tasks.load(taskStream(tenant, taskId), { fresh: true })).status;

const issueOf = (taskId: string, status: Task['status'], index: number): readonly InputIssue[] => {
  const pointer = `/dependsOn/${index}`;
  if (status === 'none')
    return [{ pointer, code: 'UNKNOWN_DEPENDENCY', message: `there is no task ${taskId} outside of executions` }];
  const ended = ENDED[status];
  if (ended === undefined || ended === 'completed') return [];
  return [
    { pointer, code: 'LOST_DEPENDENCY', message: `task ${taskId} was ${ended}: what depends on it would never run` },
  ];
};

/**
 * Which of the tasks that a new one depends on have not completed. All of them exist before it, and what it depends on never changes: so
 * that no task can depend on itself, however far around.
 *
 * Errors: `AppError` `BAD_USER_INPUT` that names those that do not exist in the tenant, or will never complete.
 */
export const openDependencies = async (
  commands: Commands,
  caller: Caller,
  dependsOn: readonly string[] | undefined,
): Promise<Pick<SubmitTask, 'waitsFor'>> => {
  if (dependsOn === undefined) return {};
  const statuses = await Promise.all(dependsOn.map((taskId) => statusOf(commands, caller, taskId)));
  const issues = dependsOn.flatMap((taskId, index) => issueOf(taskId, statuses[index] ?? 'none', index));
  if (issues.length > 0) throw badInput(issues);
  return { waitsFor: dependsOn.filter((_, index) => statuses[index] !== 'completed') };
};

/**
 * Lets a task go on whose dependencies have completed, or ends it when one of them never will; otherwise nothing is recorded. Any process
 * may ask for it, as often as it likes.
 */
export const settleDependencies = async (
  commands: Commands,
  caller: Caller,
  { taskId, waitsFor }: { readonly taskId: string; readonly waitsFor: readonly string[] },
): Promise<void> => {
  const statuses = await Promise.all(waitsFor.map((dependency) => statusOf(commands, caller, dependency)));
  const ended: Record<string, Ended> = {};
  for (const [index, dependency] of waitsFor.entries()) {
    const end = ENDED[statuses[index] ?? 'none'];
    if (end !== undefined) ended[dependency] = end;
  }
  if (Object.keys(ended).length === 0) return;
  await runOnTask(commands, caller, taskId, ended, (now) => ({ type: 'SettleDependencies', ended, now }));
};
