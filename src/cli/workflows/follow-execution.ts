import type { Client } from '../client.ts';
import { Ended, EXIT } from '../failure.ts';
import { type Follow, follow, followFromStart, type Known, type Subject } from '../follow.ts';
import { oneLine } from '../format.ts';
import type { Terminal } from '../terminal.ts';
import { readExecution } from './execution.ts';
import { LiveView } from './live-view.ts';
import { WATCHED, type Watched } from './watch-view.ts';

export type Entry = {
  readonly position: string;
  readonly type: string;
  readonly at: string;
  readonly unit: string | null;
  readonly summary: string;
};

const ENTRY = 'position type at unit taskId attempt agentId summary actor';

const subjectOf = (id: string): Subject => ({
  id,
  ends: new Set([
    'ExecutionCompleted',
    'ExecutionFailed',
    'ExecutionCancelled',
    'ExecutionCompensated',
    'ExecutionCompensationFailed',
  ]),
  document: `subscription ($id: ID!, $fromPosition: Position) {
    change: executionChanged(executionId: $id, fromPosition: $fromPosition) { position entry { ${ENTRY} } }
  }`,
});

const known = async (client: Client, id: string): Promise<Known<Entry>> => {
  const { position, timeline } = await readExecution<{ position: string; timeline: readonly Entry[] }>(
    client,
    id,
    `position timeline { ${ENTRY} }`,
  );
  return { entries: timeline, last: BigInt(position) };
};

/** Follows what happens from `from` on, until nothing more does by itself. */
export const followExecution = (client: Client, id: string, options: Follow<Entry>): Promise<Entry> =>
  follow(client, subjectOf(id), options);

const entryLine = ({ at, type, summary }: Entry): string => `${at}  ${type.padEnd(27)}  ${oneLine(summary, 300)}\n`;

/**
 * Shows an execution until nothing more happens by itself: a picture on a terminal, else a line per event.
 *
 * Errors: `Ended` with exit code 1 unless it completed.
 */
export const watchExecution = async (
  terminal: Terminal,
  client: Client,
  id: string,
  { json = false }: { readonly json?: boolean | undefined },
): Promise<void> => {
  const facts = await known(client, id);
  const screen = json ? undefined : terminal.progress;
  const view = screen && new LiveView(screen, terminal.colour, () => readExecution<Watched>(client, id, WATCHED));
  const show = (entry: Entry): void => {
    if (view) view.changed();
    else terminal.out(json ? `${JSON.stringify(entry)}\n` : entryLine(entry));
  };
  const end = await followFromStart(client, subjectOf(id), facts, show).finally(() => view?.stop());
  if (view) terminal.out(entryLine(end));
  if (end.type !== 'ExecutionCompleted') throw new Ended(EXIT.failed);
};
