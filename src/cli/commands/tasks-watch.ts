import { BatonError, GetTaskTimeline, type TaskEventFragment, WatchTask } from 'baton-client';
import type { Command } from 'commander';
import { TASK_ENDING_EVENTS } from '../../domain/task/events.ts';
import type { Client } from '../client.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { Ended, EXIT } from '../failure.ts';
import { type Follow, follow, type Subject } from '../follow.ts';
import { oneLine } from '../format.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
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

/** From the beginning: by the subscription, or by the timeline if that is too far back. */
const followFromStart = async (
  client: Client,
  id: string,
  show: (entry: TaskEventFragment) => void,
): Promise<TaskEventFragment> => {
  const { position, timeline: entries } = foundTask(id, await client.execute(GetTaskTimeline, { id }));
  const last = BigInt(position);
  const first = BigInt(entries[0]?.position ?? 0);
  try {
    return await followTask(client, id, { from: first > 0n ? first - 1n : 0n, endsFrom: last, onEntry: show });
  } catch (error) {
    if (!(error instanceof BatonError) || error.code !== 'RESUME_EXPIRED') throw error;
    for (const entry of entries) show(entry);
    const newest = entries.at(-1);
    if (newest !== undefined && subjectOf(id).ends.has(newest.type)) return newest;
    return followTask(client, id, { from: BigInt(newest?.position ?? last), endsFrom: 0n, onEntry: show });
  }
};

const watch = async (terminal: Terminal, id: string, options: ServerOptions): Promise<void> => {
  const show = (entry: TaskEventFragment): void =>
    terminal.out(
      options.json === true
        ? `${JSON.stringify(entry)}\n`
        : `${entry.at}  ${entry.type.padEnd(20)}  ${oneLine(entry.summary, 300)}\n`,
    );
  const end = await withClient(terminal, options, (client) => followFromStart(client, id, show));
  if (end.type !== 'TaskCompleted') throw new Ended(EXIT.failed);
};

export const addWatch = (tasks: Command, terminal: Terminal): void => {
  serverOptions(
    tasks.command('watch').description('Follow a task until nothing more happens by itself.').argument('<id>'),
  )
    .addHelpText(
      'after',
      `${examples('baton tasks watch 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11')}
With --json, prints one line of JSON per change. Exit code 0 when the task completed, 1 when it was cancelled or
dead-lettered, or its outcome is unknown.\n`,
    )
    .action((id: string, options: ServerOptions) => watch(terminal, id, options));
};
