import { BatonError, GetTaskTimeline, GetTaskWait, type TaskEventFragment, WatchTask } from 'baton-client';
import type { Command } from 'commander';
import { TASK_ENDING_EVENTS } from '../../domain/task/events.ts';
import type { Client } from '../client.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { Ended, EXIT } from '../failure.ts';
import { type Follow, follow, type Subject } from '../follow.ts';
import { oneLine } from '../format.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { againAt, timeoutOption, type Wait, type WaitOptions, waitInSight } from '../waiting.ts';
import { foundTask } from './tasks-read.ts';

const subjectOf = (id: string): Subject<TaskEventFragment> => ({
  document: WatchTask,
  id,
  ends: new Set<string>(TASK_ENDING_EVENTS),
});

export const followTask = (
  client: Client,
  taskId: string,
  options: Follow<TaskEventFragment>,
): Promise<TaskEventFragment> => follow(client, subjectOf(taskId), options);

/** What a task waits for: an agent, or the answer of the one that has it. */
const whyOpen = async (client: Client, id: string): Promise<string | undefined> => {
  const { task } = await client.execute(GetTaskWait, { id });
  if (task === null) return undefined;
  const { agentId, assignedAt, attempt, percent, progressMessage, why } = task;
  if (why.waiting !== null) return why.waiting.message;
  if (agentId === null || assignedAt === null) return undefined;
  const progress = [percent === null ? undefined : `${percent} %`, progressMessage ?? undefined].filter(Boolean);
  return [`attempt ${attempt} is with ${agentId} since ${assignedAt}`, ...progress].join(', ');
};

/** Waits for something of a task, and says why it still does. */
export const waitForTask = <Result>(
  terminal: Terminal,
  client: Client,
  id: string,
  options: ServerOptions & WaitOptions,
  until: Wait<Result>['until'],
): Promise<Result> =>
  waitInSight(terminal, {
    what: `task ${id}`,
    again: againAt(`baton tasks watch ${id}`, options),
    timeoutMs: options.timeout,
    why: () => whyOpen(client, id),
    until,
  });

/** From the beginning: by the subscription, or by the timeline if that is too far back. */
const followFromStart = async (
  client: Client,
  id: string,
  show: (entry: TaskEventFragment) => void,
  signal: AbortSignal,
): Promise<TaskEventFragment> => {
  const { position, timeline: entries } = foundTask(id, await client.execute(GetTaskTimeline, { id }));
  const last = BigInt(position);
  const first = BigInt(entries[0]?.position ?? 0);
  try {
    return await followTask(client, id, { from: first > 0n ? first - 1n : 0n, endsFrom: last, onEntry: show, signal });
  } catch (error) {
    if (!(error instanceof BatonError) || error.code !== 'RESUME_EXPIRED') throw error;
    for (const entry of entries) show(entry);
    const newest = entries.at(-1);
    if (newest !== undefined && subjectOf(id).ends.has(newest.type)) return newest;
    return followTask(client, id, { from: BigInt(newest?.position ?? last), endsFrom: 0n, onEntry: show, signal });
  }
};

const watch = async (terminal: Terminal, id: string, options: ServerOptions & WaitOptions): Promise<void> => {
  const lineOf = (entry: TaskEventFragment): string =>
    options.json === true
      ? `${JSON.stringify(entry)}\n`
      : `${entry.at}  ${entry.type.padEnd(20)}  ${oneLine(entry.summary, 300)}\n`;
  const end = await withClient(terminal, options, (client) =>
    waitForTask(terminal, client, id, options, (signal, out) =>
      followFromStart(client, id, (entry) => out(lineOf(entry)), signal),
    ),
  );
  if (end.type !== 'TaskCompleted') throw new Ended(EXIT.failed);
};

export const addWatch = (tasks: Command, terminal: Terminal): void => {
  serverOptions(
    timeoutOption(
      tasks.command('watch').description('Follow a task until nothing more happens by itself.').argument('<id>'),
    ),
  )
    .addHelpText(
      'after',
      `${examples('baton tasks watch 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11')}
With --json, prints one line of JSON per change. Exit code 0 when the task completed, 1 when it was cancelled or
dead-lettered, or its outcome is unknown.\n`,
    )
    .action((id: string, options: ServerOptions & WaitOptions) => watch(terminal, id, options));
};
