import { GetExecutionStates } from 'baton-client';
import type { Command } from 'commander';
import { DEFAULT_TENANT, ExecutionId, executionStream } from '../../domain/ids.ts';
import type { EventStore, StoredEvent } from '../../eventstore/event-store.ts';
import { decisionText } from '../../wording/execution-events.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { Ended, EXIT, Failure, refused, usageFailure } from '../failure.ts';
import { duration, facts, oneLine, status, table } from '../format.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { withEventStore } from '../stores.ts';
import type { Terminal } from '../terminal.ts';
import { foundExecution, noExecution } from '../workflows/execution.ts';
import { differences, type Replay, type ReplayedState, replay } from '../workflows/replay.ts';

const MAX_REVISION = 2_147_483_647;
const COMPARE_TRIES = 5;

type Options = ServerOptions & { readonly until?: number };

/** The result of comparing with the server. */
type Comparison =
  | { readonly outcome: 'equal' }
  | { readonly outcome: 'different'; readonly differences: readonly string[] }
  | { readonly outcome: 'not_compared'; readonly why: string };

type Reported = Parameters<typeof differences>[1];

type Replayed = Replay & { readonly state: ReplayedState };

/** Errors: `Failure`, also when the read models do not reach the last event in time. */
const readReported = (terminal: Terminal, id: string, options: Options, { events }: Replayed): Promise<Reported> =>
  withClient(terminal, options, async (client) =>
    foundExecution(id, await client.execute(GetExecutionStates, { id, atLeast: events.at(-1)?.position })),
  );

const readStream = async (store: EventStore, id: string, until: number | undefined): Promise<StoredEvent[]> => {
  const stored = await store.readStream(executionStream(DEFAULT_TENANT, id), {
    ...(until === undefined ? {} : { limit: until + 1 }),
  });
  const last = stored.at(-1);
  if (last === undefined) throw noExecution(id);
  if (until !== undefined && last.revision < BigInt(until))
    throw usageFailure(`--until ${until}: the last revision of the execution is ${last.revision}`);
  return stored;
};

const readWhole = async (store: EventStore, id: string, until?: number): Promise<Replayed> => {
  const replayed = replay(await readStream(store, id, until));
  const { state } = replayed;
  if (state === undefined)
    throw refused('NO_EXECUTION', `the stream of ${id} does not begin with the start of an execution`);
  return { ...replayed, state };
};

/** While an execution runs, the log may be ahead of an answer or behind it: both reads around the answer must agree. */
const compareWithServer = async (
  terminal: Terminal,
  store: EventStore,
  id: string,
  options: Options,
  replayed: Replayed,
): Promise<Comparison> => {
  let before = replayed;
  for (let tries = 0; tries < COMPARE_TRIES; tries += 1) {
    let reported: Reported;
    try {
      reported = await readReported(terminal, id, options, before);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { outcome: 'not_compared', why: error.message };
    }
    const after = await readWhole(store, id);
    if (after.state.revision === before.state.revision) {
      const found = differences(after.state, reported);
      return found.length === 0 ? { outcome: 'equal' } : { outcome: 'different', differences: found };
    }
    before = after;
  }
  return { outcome: 'not_compared', why: 'the execution changes too fast' };
};

const COLUMNS = [
  { title: 'REVISION', align: 'right' as const },
  { title: 'POSITION', align: 'right' as const },
  { title: 'AT' },
  { title: 'EVENT' },
  { title: 'STEP' },
  { title: 'WHAT' },
];

const counted = (states: readonly string[]): string => {
  const counts = new Map<string, number>();
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
};

const verdictText = (comparison: Comparison): string => {
  switch (comparison.outcome) {
    case 'equal':
      return "the replayed state equals the server's";
    case 'different':
      return "the replayed state DIFFERS from the server's";
    case 'not_compared':
      return `the replayed state was not compared with a server: ${oneLine(comparison.why, 200)}`;
  }
};

const eventsText = ({ events }: Replay): string =>
  table(
    COLUMNS,
    events.map(({ revision, position, at, type, unit, summary }) => [
      revision,
      position,
      at,
      type,
      unit ?? '',
      oneLine(summary, 200),
    ]),
  );

const stateText = (state: ReplayedState, colour: boolean): string => {
  const { timeSpent: spent } = state;
  return facts([
    ['workflow', state.workflow],
    ['status', status(state.status, colour)],
    ['steps', counted(state.steps.map((step) => step.state))],
    ['compensations', state.debts.length === 0 ? undefined : counted(state.debts.map((debt) => debt.state))],
    [
      'time spent',
      `${duration(spent.durationMs)}: agents ${duration(spent.agentMs)}, waiting ${duration(spent.waitMs)}, the rest ${duration(spent.overheadMs)}`,
    ],
  ]);
};

const stepsText = ({ steps }: ReplayedState, colour: boolean): string =>
  table(
    [{ title: 'STEP' }, { title: 'STATE' }, { title: 'AGENT' }, { title: 'DECISION' }],
    steps.map(({ id, state, agentId, decision }) => [
      id,
      status(state, colour),
      agentId ?? '',
      decision === null ? '' : oneLine(decisionText(decision), 200),
    ]),
  );

const run = async (terminal: Terminal, id: string, options: Options): Promise<void> => {
  if (!ExecutionId.safeParse(id).success) throw noExecution(id);
  const executionId = id.toLowerCase();
  const { replayed, comparison } = await withEventStore(terminal, async (store) => {
    const replayed = await readWhole(store, executionId, options.until);
    const comparison =
      options.until === undefined
        ? await compareWithServer(terminal, store, executionId, options, replayed)
        : undefined;
    return { replayed, comparison };
  });
  const { state, problems } = replayed;
  const found = [...problems, ...(comparison?.outcome === 'different' ? comparison.differences : [])];
  print(terminal, options.json, { executionId, ...replayed, comparison: comparison ?? null }, () =>
    [
      eventsText(replayed),
      '\n',
      comparison === undefined ? `state after revision ${state.revision}\n` : `${verdictText(comparison)}\n`,
      problems.length === 0 ? 'the hash chain and the recorded times are correct\n' : '',
      ...found.map((problem) => `PROBLEM  ${problem}\n`),
      stateText(state, terminal.colour),
      options.until === undefined ? '' : `\n${stepsText(state, terminal.colour)}`,
    ].join(''),
  );
  if (found.length > 0) throw new Ended(EXIT.failed);
};

export const addReplay = (workflows: Command, terminal: Terminal): void => {
  serverOptions(
    workflows
      .command('replay')
      .description('Replay an execution from the log, and compare the result with the server.')
      .argument('<id>', 'id of the execution')
      .option('--until <revision>', 'stop at this event: the state at that moment', parse.integer(0, MAX_REVISION)),
  )
    .addHelpText(
      'after',
      `${examples('baton workflows replay 0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11', 'baton workflows replay 0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11 --until 12')}
Uses EVENTSTORE_URL, else the event store of the running server. Exit code 1 when the hash chain is broken, when the
times in the last event do not match the stream, or when a server that can be reached reports another state.\n`,
    )
    .action((id: string, options: Options) => run(terminal, id, options));
};
