import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { startCli } from '../support/cli-process.ts';
import { freshEventStore } from '../support/servers.ts';

/** What a newcomer sees: `baton serve` in an empty folder, then with an event store of their own, and back. */

let folder: string;
let cluster: Awaited<ReturnType<typeof freshEventStore>>;
const servers = new Set<ChildProcessWithoutNullStreams>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-first-'));
  await chmod(folder, 0o711); // Postgres, started by root, runs as another user
  cluster = await freshEventStore();
});
afterAll(async () => {
  for (const server of servers) server.kill('SIGKILL');
  await cluster.stop();
  await rm(folder, { recursive: true, force: true });
});

const serve = async (env: Record<string, string>, ...args: string[]) => {
  const server = startCli(['serve', '--port', '0', '--log-format', 'text', ...args], {
    BATON_DATA_DIR: join(folder, '.baton'),
    REDIS_URL: inject('redisUrl'),
    ...env,
  });
  servers.add(server);
  const err = text(server.stderr);
  let out = '';
  const ready = new Promise<void>((resolve) => {
    server.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (/^Redis /m.test(out)) resolve();
    });
  });
  const ended = once(server, 'close');
  await Promise.race([ready, ended]);
  return {
    database: /^Postgres +\S+\/(\w+)/m.exec(out)?.[1],
    url: /^GraphQL +(\S+)\/graphql$/m.exec(out)?.[1],
    async interrupt() {
      server.kill('SIGINT');
      const [code] = (await ended) as [number | null];
      servers.delete(server);
      return { code, out, err: await err };
    },
  };
};

/** What a machine under load has to say is no fault of a first start. */
const SLOW = /did not stop in time|lease lost|did not run for a while/;
const complaintsIn = (err: string): string[] =>
  err
    .trimEnd()
    .split('\n')
    .filter((line) => !/^\d\d:\d\d:\d\d info {2}/.test(line) && !SLOW.test(line));

it('starts without a warning or a stack, on an address that can be opened, and says when it has stopped', async () => {
  const server = await serve({ BATON_INSECURE: '1' }, '--host', '0.0.0.0');
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  const { code, out, err } = await server.interrupt();
  expect({ code, end: out.trimEnd().split('\n').at(-1) }).toEqual({ code: 0, end: 'Baton has stopped.' });
  expect(out).toMatch(/^access +everyone who reaches 0\.0\.0\.0: there is no sign-in/m);
  expect(complaintsIn(err)).toEqual([
    expect.stringMatching(/WARN {2}there is no sign-in: whoever reaches this server .*BATON_INSECURE/),
  ]);
}, 180_000);

it('goes to a cluster and back, each with the read models of its own log', async () => {
  const there = await serve({ EVENTSTORE_URL: cluster.connectionString });
  const { code, err } = await there.interrupt();
  expect({ code, complaints: complaintsIn(err) }).toEqual({ code: 0, complaints: [] });
  const back = await serve({});
  await back.interrupt();
  expect([there.database, back.database]).toEqual([expect.stringMatching(/^baton_[\da-f]{32}$/), 'baton']);
}, 180_000);
