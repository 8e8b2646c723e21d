import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Client } from '../client.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { Ended, EXIT, Failure } from '../failure.ts';
import { oneLine } from '../format.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { ENTRY, type Entry, readTask } from './tasks-read.ts';

/** Entries after which nothing happens by itself. */
const ENDS = new Set(['TaskCompleted', 'TaskCancelled', 'TaskDeadLettered', 'TaskOutcomeUnknown']);

const CHANGES = `subscription ($taskId: ID!, $fromPosition: Position) {
  taskChanged(taskId: $taskId, fromPosition: $fromPosition) { position entry { ${ENTRY} data } }
}`;

const RESUME_TRIES = 10;
const RESUME_AFTER_MS = 1_000;

type Follow = {
  /** What was seen already. */
  readonly from: bigint;
  /** Ends before this position were undone by what followed them. */
  readonly endsFrom: bigint;
  readonly onEntry: (entry: Entry) => void;
};

/** Reads a task's changes until one ends it, and gives that one. A broken connection is taken up where it broke. */
export const followTask = async (client: Client, taskId: string, follow: Follow): Promise<Entry> => {
  let { from } = follow;
  for (let tries = 0; ; ) {
    try {
      const variables = { taskId, fromPosition: String(from) };
      for await (const { taskChanged } of client.subscribe<{ taskChanged: { position: string; entry: Entry } }>(
        CHANGES,
        variables,
      )) {
        tries = 0;
        from = BigInt(taskChanged.position);
        follow.onEntry(taskChanged.entry);
        if (from >= follow.endsFrom && ENDS.has(taskChanged.entry.type)) return taskChanged.entry;
      }
      tries += 1; // the server said that there is no more: it stops
    } catch (error) {
      if (!(error instanceof Failure) || error.exitCode !== EXIT.unreachable || tries >= RESUME_TRIES) throw error;
      tries += 1;
    }
    await sleep(RESUME_AFTER_MS);
  }
};

/** Positions of what is known of a task now: its first entry and its last one. */
const known = async (
  client: Client,
  id: string,
): Promise<{ first: bigint; last: bigint; entries: readonly Entry[] }> => {
  const task = await readTask<{ position: string; timeline: readonly Entry[] }>(
    client,
    id,
    `position timeline { ${ENTRY} data }`,
  );
  const positions = task.timeline.map(({ position }) => BigInt(position));
  return { first: positions[0] ?? 0n, last: BigInt(task.position), entries: task.timeline };
};

const watch = async (terminal: Terminal, id: string, options: ServerOptions): Promise<void> => {
  const show = (entry: Entry): void =>
    terminal.out(
      options.json === true
        ? `${JSON.stringify(entry)}\n`
        : `${entry.at}  ${entry.type.padEnd(20)}  ${oneLine(entry.summary, 300)}\n`,
    );
  const end = await withClient(terminal, options, async (client) => {
    const { first, last, entries } = await known(client, id);
    try {
      return await followTask(client, id, { from: first > 0n ? first - 1n : 0n, endsFrom: last, onEntry: show });
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'RESUME_EXPIRED') throw error;
      // Its beginning is too far back for a subscription: the timeline tells it.
      for (const entry of entries) show(entry);
      const newest = entries.at(-1);
      if (newest !== undefined && ENDS.has(newest.type)) return newest;
      return followTask(client, id, { from: BigInt(newest?.position ?? last), endsFrom: 0n, onEntry: show });
    }
  });
  if (end.type !== 'TaskCompleted') throw new Ended(EXIT.failed);
};

export const addWatch = (tasks: Command, terminal: Terminal): void => {
  serverOptions(
    tasks
      .command('watch')
      .description('Follow what happens to a task until nothing more will by itself.')
      .argument('<id>'),
  )
    .addHelpText(
      'after',
      `${examples('baton tasks watch 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11')}
With --json, one line of JSON per change. Exit code 0 when the task completed, 1 when it was cancelled, given up, or its
outcome is unknown.\n`,
    )
    .action((id: string, options: ServerOptions) => watch(terminal, id, options));
};
