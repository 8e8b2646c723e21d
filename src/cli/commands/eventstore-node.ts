import { resolve } from 'node:path';
import type { NodeOptions, RunningNode } from 'baton-eventstore-node';
import type { Command } from 'commander';
import { Option } from 'commander';
import { listensOnLoopback } from '../../platform/hosts.ts';
import { usageFailure } from '../failure.ts';
import { facts } from '../format.ts';
import { nodeFailure } from '../node-failure.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { StopRequest } from '../stop-request.ts';
import type { Terminal } from '../terminal.ts';

/** EventStoreDB's default, so that a connection string without a port finds it. */
const DEFAULT_PORT = 2113;
const HIGHEST_PORT = 65_535;

type Options = {
  readonly data?: string;
  readonly inMemory?: boolean;
  readonly port: number;
  readonly host: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly users?: string;
  readonly whenSlow?: string;
  readonly liveBuffer?: string;
  readonly v2?: boolean;
  readonly json?: boolean;
};

type Security = Pick<NodeOptions, 'tls' | 'users'>;

/** Reads and checks the certificate, key and users. Errors: `Failure` (wrong usage). */
const securityOf = async (terminal: Terminal, { tlsCert, tlsKey, users }: Options): Promise<Security> => {
  const { securityFrom } = await import('baton-eventstore-node');
  try {
    const { options, warnings } = securityFrom({ tlsCert, tlsKey, users }, terminal.env);
    for (const warning of warnings) terminal.err(`warning: ${warning}\n`);
    return options;
  } catch (error) {
    throw usageFailure((error as Error).message);
  }
};

/** How slow live subscribers are treated. Errors: `Failure` (wrong usage). */
const slowSubscribersOf = async ({ whenSlow, liveBuffer }: Options): Promise<Pick<NodeOptions, 'slowSubscribers'>> => {
  const { slowSubscribersFrom } = await import('baton-eventstore-node');
  try {
    const slowSubscribers = slowSubscribersFrom({ whenSlow, liveBuffer });
    return slowSubscribers ? { slowSubscribers } : {};
  } catch (error) {
    throw usageFailure((error as Error).message);
  }
};

/** Without TLS a node does not authenticate anyone. */
const warnIfOpen = (terminal: Terminal, host: string, { tls }: Security): void => {
  if (tls === undefined && !listensOnLoopback(host))
    terminal.err(`warning: anyone who can reach ${host} can read and change everything; see --tls-cert\n`);
};

const nodeOptions = ({ data, inMemory, port, host, v2 = false }: Options): NodeOptions => {
  if ((data === undefined) === (inMemory !== true))
    throw usageFailure('name where events go: either --data DIR or --in-memory');
  if (data === '') throw usageFailure('--data "": name a folder');
  return { ...(data === undefined ? { inMemory: true } : { dataDir: resolve(data) }), port, host, v2 };
};

const report = (
  { dataDir, tls, slowSubscribers, v2 }: NodeOptions,
  { port, connectionString }: RunningNode,
  host: string,
) => ({
  ready: true,
  pid: process.pid,
  host,
  port,
  connectionString,
  tls: tls !== undefined,
  dataDir: dataDir ?? null,
  slowSubscribers: slowSubscribers ?? null,
  v2: v2 === true,
});

const asText = ({ pid, host, port, connectionString, tls, dataDir, ...other }: ReturnType<typeof report>): string =>
  `The event store node is ready (process ${pid}). Ctrl-C stops it.\n${facts([
    ['listens on', `${host.includes(':') ? `[${host}]` : host}:${port}`],
    ['connect to', connectionString],
    ['access', tls ? 'TLS; a client names a user: esdb://USER:PASSWORD@…' : 'no TLS, no authentication'],
    ['data', dataDir ?? 'in memory: gone when the node stops'],
    ...slowness(other.slowSubscribers),
    ...(other.v2 ? [['v2', 'appends to several streams are served'] as const] : []),
  ])}`;

const slowness = (slow: NodeOptions['slowSubscribers'] | null): (readonly [string, string])[] => {
  if (!slow) return [];
  const ending = slow.whenSlow === 'drop' ? 'is dropped, as in 23.10' : 'catches up from the log, as in 24';
  return [['slow', `a live subscriber more than ${slow.liveBuffer} events behind ${ending}`]];
};

const runNode = async (terminal: Terminal, options: Options): Promise<void> => {
  const security = await securityOf(terminal, options);
  const settings = { ...nodeOptions(options), ...security, ...(await slowSubscribersOf(options)) };
  warnIfOpen(terminal, options.host, settings);
  const stop = new StopRequest();
  const { startEventStoreNode } = await import('baton-eventstore-node');
  const node = await startEventStoreNode(settings).catch((error: unknown) => {
    throw nodeFailure(error, settings.dataDir);
  });
  try {
    if (!stop.requested) {
      const facts = report(settings, node, options.host);
      print(terminal, options.json, facts, () => asText(facts));
    }
    await stop.wait();
  } finally {
    await node.stop();
  }
  if (options.json !== true) terminal.out('The event store node has stopped.\n');
};

export const addEventStoreNode = (program: Command, terminal: Terminal): void => {
  program
    .command('eventstore-node')
    .description('Run a node that speaks EventStoreDB’s protocol: for tests, a laptop or a small installation.')
    .option('--data <dir>', 'keep events in this folder; created if missing')
    .option('--in-memory', 'keep events in memory only')
    .addOption(
      new Option('--port <n>', 'port to listen on; 0 picks a free one')
        .argParser(parse.integer(0, HIGHEST_PORT))
        .default(DEFAULT_PORT),
    )
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--tls-cert <file>', 'serve TLS with this certificate (PEM) and require credentials')
    .option('--tls-key <file>', 'its private key (PEM)')
    .option('--users <file>', 'users as JSON: [{"name":…,"password":…,"groups":["$admins"]},…]')
    .option('--when-slow <action>', 'with a live subscriber that is too slow: drop (as 23.10) or read (as 24)')
    .option('--live-buffer <n>', 'too slow is more than this many events behind; needs --when-slow (default: 32)')
    .option('--v2', 'serve appends to several streams, for Kurrent’s client')
    .option('--json', 'print one line of JSON when ready')
    .addHelpText(
      'after',
      `${examples('baton eventstore-node --data ./events', 'baton eventstore-node --in-memory --port 0 --json')}
With TLS and without --users there are two users: admin in $admins, and ops in $ops. Their passwords are
EVENTSTORE_DEFAULT_ADMIN_PASSWORD and EVENTSTORE_DEFAULT_OPS_PASSWORD, else "changeit".

SIGTERM or Ctrl-C commits pending writes and closes the folder; a second one ends at once. docs/guides/eventstore-node.md
explains how to verify its data and how to move to a cluster.
`,
    )
    .action((options: Options) => runNode(terminal, options));
};
