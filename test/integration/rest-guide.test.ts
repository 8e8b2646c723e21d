import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type AgentServer, serveAgent } from 'baton-agent-sdk';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { type Baton, startBaton } from '../../src/baton.ts';
import { readConfig } from '../../src/platform/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { freshDatabase, freshEventStore } from '../support/servers.ts';

/** The guide, command by command: what it tells to save is saved, what it tells to run runs, and answers as it says. */

const GUIDE = new URL('../../docs/guides/rest.md', import.meta.url);
const bash = promisify(execFile);

let folder: string;
let baton: Baton;
let agent: AgentServer;
let closeStores: () => Promise<void>;
let stores: Readonly<Record<'EVENTSTORE_URL' | 'DATABASE_URL' | 'REDIS_URL', string>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-rest-'));
  const [database, eventStore] = await Promise.all([freshDatabase(), freshEventStore()]);
  closeStores = async () => {
    await eventStore.stop();
    await database.drop();
  };
  stores = {
    EVENTSTORE_URL: eventStore.connectionString,
    DATABASE_URL: database.url,
    REDIS_URL: inject('redisUrl'),
  };
  baton = await startBaton(readConfig({ ...stores, BATON_PORT: '0' }), { logger: createLogger('silent') });
  await vi.waitFor(async () => expect((await fetch(`${baton.url}/readyz`)).status).toBe(200), { timeout: 30_000 });
  agent = await serveAgent({
    card: { name: 'stock' },
    port: 0,
    handlers: { 'stock.reserve': (input) => ({ reserved: (input as { count: number }).count }) },
  });
}, 60_000);

afterAll(async () => {
  await agent?.close();
  await baton?.stop();
  await closeStores?.();
  await rm(folder, { recursive: true, force: true });
});

const blocksOf = (guide: string) =>
  [...guide.matchAll(/(?:`(\w[\w.]*)`:\n\n)?^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, file, language, text = '']) => ({
    file,
    language,
    text,
  }));

/** What the guide shows of an answer; `…` stands for anything. */
const shown = (value: unknown): unknown => {
  if (value === '…') return expect.anything();
  if (Array.isArray(value)) return value.map(shown);
  if (value === null || typeof value !== 'object') return value;
  return expect.objectContaining(
    Object.fromEntries(Object.entries(value).map(([key, member]) => [key, shown(member)])),
  );
};

it('the guide to REST works as it is written', async () => {
  const guide = (await readFile(GUIDE, 'utf8'))
    .replaceAll('http://127.0.0.1:4000', baton.url ?? '')
    .replaceAll('http://127.0.0.1:7001', new URL(agent.cardUrl).origin);
  const ids = new Map<string, string>();
  let answer: Record<string, unknown> = {};
  let compared = 0;
  for (const { file, language, text } of blocksOf(guide)) {
    if (file !== undefined) await writeFile(join(folder, file), text);
    else if (language === 'json') {
      expect(answer).toEqual(shown(JSON.parse(text)));
      compared += 1;
    } else
      for (const line of text.trim().split('\n')) {
        const command = line.replaceAll(/<(\w+)>/g, (_, name) => ids.get(name) ?? `no ${name} yet`);
        answer = JSON.parse((await bash('bash', ['-c', command], { cwd: folder })).stdout);
        for (const [name, value] of Object.entries(answer)) if (name.endsWith('Id')) ids.set(name, String(value));
      }
  }
  expect(compared).toBe(8);
});

it('a server on an empty database shows nothing before its read models are built from the log', async () => {
  const empty = await freshDatabase();
  const settings = { ...stores, DATABASE_URL: empty.url, BATON_PORT: '0' };
  const logger = createLogger('silent');
  const started: Baton[] = [];
  const listedBy = async (roles: string) => {
    const server = await startBaton(readConfig({ ...settings, BATON_ROLES: roles }), { logger });
    started.push(server);
    const response = await fetch(`${server.url}/api/v1/agents`);
    return { status: response.status, body: await response.json() };
  };
  try {
    expect(await listedBy('api')).toMatchObject({
      status: 503,
      body: { code: 'UNAVAILABLE', detail: expect.stringContaining('the read model agents is being rebuilt') },
    });
    expect(await listedBy('api,projector')).toMatchObject({ status: 200, body: { items: [{ agentId: 'stock' }] } });
  } finally {
    for (const server of started) await server.stop();
    await empty.drop();
  }
}, 60_000);
