import {
  type ExecutionEventFragment,
  GetExecutionPositions,
  GetExecutionProgress,
  GetExecutionWait,
  WatchExecution,
} from 'baton-client';
import { numberOf, words } from '../../wording/sentences.ts';
import type { Client } from '../client.ts';
import type { ServerOptions } from '../connection.ts';
import { Ended, EXIT } from '../failure.ts';
import { type Follow, follow, type Subject } from '../follow.ts';
import { oneLine } from '../format.ts';
import type { Terminal } from '../terminal.ts';
import { againAt, type Wait, type WaitOptions, waitInSight } from '../waiting.ts';
import { foundExecution } from './execution.ts';
import { LiveView } from './live-view.ts';
import { obstacleText } from './watch-view.ts';

const subjectOf = (id: string): Subject<ExecutionEventFragment> => ({
  document: WatchExecution,
  id,
  ends: new Set([
    'ExecutionCompleted',
    'ExecutionFailed',
    'ExecutionCancelled',
    'ExecutionCompensated',
    'ExecutionCompensationFailed',
  ]),
});

/**
 * Position of the execution's newest event: the timeline is as fresh as the log, the execution's row may not be. 0 for one that has no row yet; the
 * subscription reports whether it exists.
 */
const newestPosition = async (client: Client, id: string): Promise<bigint> => {
  const { execution } = await client.execute(GetExecutionPositions, { id });
  // Assignments are in the pool's stream, and one may follow the end that it came too late for.
  return BigInt(execution?.timeline.findLast(({ type }) => type !== 'TaskAssigned')?.position ?? 0);
};

/** Follows an execution from `from` on, until nothing more happens by itself. */
export const followExecution = (
  client: Client,
  id: string,
  options: Follow<ExecutionEventFragment>,
): Promise<ExecutionEventFragment> => follow(client, subjectOf(id), options);

const entryLine = ({ at, type, summary }: ExecutionEventFragment): string =>
  `${at}  ${type.padEnd(27)}  ${oneLine(summary, 300)}\n`;

/** How far an execution is, and what its first step that does not run waits for. */
const whyOpen = async (client: Client, id: string): Promise<string | undefined> => {
  const { execution } = await client.execute(GetExecutionWait, { id });
  if (execution === null) return undefined;
  const { status, stepsCompleted, stepsTotal, whyNotRunning } = execution;
  const progress = `${words(status.toLowerCase())}, ${stepsCompleted} of ${numberOf(stepsTotal, 'step')} completed`;
  const obstacle = obstacleText(whyNotRunning);
  return obstacle === undefined ? progress : `${progress}; ${obstacle}`;
};

/** Waits for something of an execution. Unless something else shows it, says why it still does. */
export const waitForExecution = <Result>(
  terminal: Terminal,
  client: Client,
  id: string,
  options: ServerOptions & WaitOptions & { readonly isShown?: boolean },
  until: Wait<Result>['until'],
): Promise<Result> =>
  waitInSight(terminal, {
    what: `execution ${id}`,
    again: againAt(`baton workflows watch ${id}`, options),
    timeoutMs: options.timeout,
    ...(options.isShown === true ? {} : { why: () => whyOpen(client, id) }),
    until,
  });

/**
 * Shows an execution until nothing more happens by itself: a live view on a terminal, else a line per event.
 *
 * Errors: `Ended` with exit code 1 unless it completed.
 */
export const watchExecution = async (
  terminal: Terminal,
  client: Client,
  id: string,
  options: ServerOptions & WaitOptions,
): Promise<void> => {
  const { json = false } = options;
  const endsFrom = await newestPosition(client, id);
  const screen = json ? undefined : terminal.progress;
  const read = async () => foundExecution(id, await client.execute(GetExecutionProgress, { id }));
  const view = screen && new LiveView(screen, terminal.colour, read);
  const lineOf = (entry: ExecutionEventFragment): string => (json ? `${JSON.stringify(entry)}\n` : entryLine(entry));
  const end = await waitForExecution(
    terminal,
    client,
    id,
    { ...options, isShown: view !== undefined },
    (signal, out) => {
      const onEntry = (entry: ExecutionEventFragment): void => (view ? view.changed() : out(lineOf(entry)));
      return followExecution(client, id, { from: 0n, endsFrom, onEntry, signal }).finally(() => view?.stop());
    },
  );
  if (view) terminal.out(entryLine(end));
  if (end.type !== 'ExecutionCompleted') throw new Ended(EXIT.failed);
};
