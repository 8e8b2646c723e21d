#!/usr/bin/env node
import { writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { securityFrom } from './access/security-flags.ts';
import { type NodeOptions, startEventStoreNode } from './node.ts';
import { EVENTSTOREDB_LIVE_BUFFER, slowSubscribersFrom } from './reads/slow-subscribers.ts';

const USAGE = `Usage: baton-eventstore-node (--data DIR | --in-memory) [options]

  --data DIR           keep the events in this folder
  --in-memory          keep the events in memory only
  --port N             port to listen on; 0 (default) takes a free one
  --host ADDRESS       address to listen on (default 127.0.0.1)
  --tls-cert FILE      serve over TLS with this certificate (PEM), and ask for credentials
  --tls-key FILE       its private key (PEM)
  --users FILE         who may log in: JSON, [{"name":…,"password":…,"groups":["$admins"]},…]; needs --tls-cert
  --when-slow ACTION   what EventStoreDB does with a live subscriber that is too slow: drop (23.10) or read (24)
  --live-buffer N      too slow is who is more than N events behind (default ${EVENTSTOREDB_LIVE_BUFFER}); needs --when-slow
  --v2                 serve appends to several streams, for Kurrent's client (kurrentdb.protocol.v2.streams)
  --parent-pid N       stop when process N is gone
  --exit-with-parent   stop when standard input closes
  --help               show this text

Without --users there are two users: admin, of $admins, and ops, of $ops. Their passwords are those of
EVENTSTORE_DEFAULT_ADMIN_PASSWORD and EVENTSTORE_DEFAULT_OPS_PASSWORD, else "changeit".

When ready it prints one line of JSON: {"ready":true,"port":…,"pid":…,"connectionString":…}
`;

const PARENT_CHECK_MS = 500;

const readArguments = () => {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      'in-memory': { type: 'boolean', default: false },
      port: { type: 'string', default: '0' },
      host: { type: 'string' },
      'tls-cert': { type: 'string' },
      'tls-key': { type: 'string' },
      users: { type: 'string' },
      'when-slow': { type: 'string' },
      'live-buffer': { type: 'string' },
      v2: { type: 'boolean', default: false },
      'parent-pid': { type: 'string' },
      'exit-with-parent': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return values;
};

type Arguments = ReturnType<typeof readArguments>;

const main = async (): Promise<void> => {
  const values = readArguments();
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const node = await startEventStoreNode(nodeOptions(values));
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    node.stop().then(() => process.exit(0), fail);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  watchParent(values, stop);
  const { port, connectionString } = node;
  process.stdout.write(`${JSON.stringify({ ready: true, port, pid: process.pid, connectionString })}\n`);
};

const nodeOptions = (values: Arguments): NodeOptions => {
  const port = wholeNumber('--port', values.port);
  const host = values.host === undefined ? {} : { host: values.host };
  const { 'when-slow': whenSlow, 'live-buffer': liveBuffer, v2 } = values;
  const slowSubscribers = slowSubscribersFrom({ whenSlow, liveBuffer });
  const common = { port, ...host, ...securityOptions(values), ...(slowSubscribers && { slowSubscribers }), v2 };
  if (values['in-memory']) return { inMemory: true, ...common };
  if (values.data === undefined) throw new Error('--data DIR or --in-memory is needed; --help shows all options');
  return { dataDir: values.data, ...common };
};

const securityOptions = ({
  'tls-cert': tlsCert,
  'tls-key': tlsKey,
  users,
}: Arguments): Pick<NodeOptions, 'tls' | 'users'> => {
  const { options, warnings } = securityFrom({ tlsCert, tlsKey, users }, process.env);
  for (const warning of warnings) process.stderr.write(`baton-eventstore-node: warning: ${warning}\n`);
  return options;
};

const watchParent = (values: Arguments, stop: () => void): void => {
  process.stdout.on('error', () => {}); // the parent may end before it reads the ready line
  if (values['exit-with-parent']) process.stdin.on('end', stop).on('error', stop).resume();
  if (values['parent-pid'] === undefined) return;
  const parent = wholeNumber('--parent-pid', values['parent-pid']);
  setInterval(() => {
    if (!isAlive(parent)) stop();
  }, PARENT_CHECK_MS).unref();
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

const wholeNumber = (option: string, text: string): number => {
  const value = Number(text);
  if (!/^\d+$/.test(text)) throw new Error(`${option} needs a whole number, not "${text}"`);
  return value;
};

/** For the parent, which acts on what kind of error it was. */
const tellParent = (error: unknown): void => {
  if (!process.argv.includes('--exit-with-parent') || !(error instanceof Error)) return;
  const { name, message, code } = error as NodeJS.ErrnoException;
  writeSync(1, `${JSON.stringify({ ready: false, error: { name, message, code } })}\n`);
};

const fail = (error: unknown): void => {
  tellParent(error);
  process.stderr.write(`baton-eventstore-node: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
};

main().catch(fail);
