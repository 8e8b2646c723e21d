import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningNode, startEventStoreNode } from 'baton-eventstore-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { selfSignedCertificate } from '../../packages/eventstore-node/test/certificate.ts';
import { createEsdbEventStore } from '../../src/eventstore/esdb-event-store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { readConfig } from '../../src/platform/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { describeEventStore } from './event-store.contract.ts';

const ports = { clock: systemClock, logger: createLogger('warn') };
const PASSWORD = 'p@ss:w/örd?';

let folder: string;
let node: RunningNode;

/** As an operator writes it into the environment. */
const urlFor = (name: string, password: string) =>
  readConfig({
    EVENTSTORE_URL: node.connectionString.replace('://', `://${name}:${encodeURIComponent(password)}@`),
  }).eventStoreUrl as string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secure-node-'));
  const [certFile, keyFile] = [join(folder, 'node.crt'), join(folder, 'node.key')];
  const { cert, key } = selfSignedCertificate();
  await writeFile(certFile, cert);
  await writeFile(keyFile, key, { mode: 0o600 });
  const users = [
    { name: 'baton', password: PASSWORD, groups: ['$admins'] },
    { name: 'guest', password: PASSWORD, groups: [] },
  ];
  node = await startEventStoreNode({ inMemory: true, tls: { certFile, keyFile }, users });
});

afterAll(async () => {
  await node.stop();
  await rm(folder, { recursive: true });
});

describeEventStore('a node over TLS', async () => createEsdbEventStore(urlFor('baton', PASSWORD), ports));

it.each([
  ['a wrong password', 'baton', 'wrong'],
  ['a user who may not read all', 'guest', PASSWORD],
])('reports what is wrong with %s', async (_, name, password) => {
  const store = createEsdbEventStore(urlFor(name, password), ports);
  try {
    await expect(store.readAll({ limit: 1 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'the event store denies access; check the credentials in EVENTSTORE_URL',
    });
  } finally {
    await store.close();
  }
});
