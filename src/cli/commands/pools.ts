import { ListPools, type ListPoolsQuery, PausePool, ResumePool } from 'baton-client';
import type { Command } from 'commander';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { type Column, duration, oneLine, status, table } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import { type KeyOptions, keyOption, perform } from '../perform.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';

type Pool = ListPoolsQuery['pools'][number];
type Backlog = Pool['backlog'][number];

const COLUMNS: readonly Column[] = [
  { title: 'POOL' },
  { title: 'STATUS' },
  { title: 'CAPABILITY' },
  { title: 'WAITING', align: 'right' },
  { title: 'OLDEST', align: 'right' },
  { title: 'RUNNING', align: 'right' },
  { title: 'IN/S', align: 'right' },
  { title: 'STARTED/S', align: 'right' },
];

const statusOf = ({ paused, led }: Pool): string => (paused ? 'paused' : led ? 'live' : 'halted');

const age = ({ oldestSince }: Backlog, nowMs: number): string =>
  oldestSince === null ? '' : duration(Math.max(0, nowMs - Date.parse(oldestSince)));

const backlogRow = (backlog: Backlog, nowMs: number): string[] => [
  backlog.capability,
  String(backlog.waiting),
  age(backlog, nowMs),
  String(backlog.running),
  backlog.arrivedPerSecond.toFixed(1),
  backlog.startedPerSecond.toFixed(1),
];

const NO_WORK = ['', '0', '', '0', '', ''];

const rowsOf = (pool: Pool, nowMs: number, colour: boolean): string[][] => {
  const rows = pool.backlog.map((each) => backlogRow(each, nowMs));
  return (rows.length === 0 ? [NO_WORK] : rows).map((row) => [pool.name, status(statusOf(pool), colour), ...row]);
};

const pausedLine = ({ name, pausedSince, pausedReason }: Pool): string =>
  `${name} is paused since ${pausedSince}${pausedReason === null ? '' : `: ${oneLine(pausedReason, 300)}`}\n`;

const list = async (terminal: Terminal, { atLeast, ...options }: ServerOptions & Freshness): Promise<void> => {
  const { pools } = await withClient(terminal, options, (client) => client.execute(ListPools, { atLeast }));
  print(terminal, options.json, pools, () =>
    [
      table(
        COLUMNS,
        pools.flatMap((pool) => rowsOf(pool, Date.now(), terminal.colour)),
      ),
      ...pools.filter(({ paused }) => paused).map(pausedLine),
    ].join(''),
  );
};

type ReasonOptions = KeyOptions & { readonly reason?: string };

const change =
  (terminal: Terminal, document: typeof PausePool | typeof ResumePool, done: string) =>
  async (pool: string, { reason, idempotencyKey, ...options }: ReasonOptions): Promise<void> => {
    const { id, position, repeated } = await perform(terminal, options, document, { pool, reason, idempotencyKey });
    print(terminal, options.json, { pool: id, position, repeated }, () => `${id} ${done}\n`);
  };

export const addPools = (program: Command, terminal: Terminal): void => {
  const pools = program.command('pools').description('See what waits in the pools, and pause them.');
  serverOptions(freshness(pools.command('list').description('Show what waits and runs in each pool, by capability.')))
    .addHelpText('after', examples('baton pools list', 'baton pools list --json'))
    .action((options: ServerOptions & Freshness) => list(terminal, options));
  keyOption(
    pools
      .command('pause')
      .description('Give no task of a pool to an agent any more; what agents hold goes on.')
      .argument('<pool>')
      .option('--reason <text>', 'reason to record'),
  )
    .addHelpText('after', examples("baton pools pause default --reason 'new version at noon'"))
    .action(change(terminal, PausePool, 'is paused'));
  keyOption(
    pools
      .command('resume')
      .description('Give the tasks of a paused pool to agents again.')
      .argument('<pool>')
      .option('--reason <text>', 'reason to record'),
  )
    .addHelpText('after', examples('baton pools resume default'))
    .action(change(terminal, ResumePool, 'is at work again'));
};
