import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient } from '@eventstore/db-client';
import { type RunningNode, startEventStoreNode } from 'baton-eventstore-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { selfSignedCertificate } from '../../packages/eventstore-node/test/certificate.ts';
import { checkEventStore } from '../../src/embedded/doctor-stores.ts';
import { clusterIdOf } from '../../src/eventstore/cluster-identity.ts';
import { createEsdbEventStore } from '../../src/eventstore/esdb-event-store.ts';
import { systemClock, systemIds } from '../../src/platform/clock.ts';
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
    { name: 'clerk', password: PASSWORD, groups: [] },
  ];
  node = await startEventStoreNode({ inMemory: true, tls: { certFile, keyFile }, users });
});

afterAll(async () => {
  await node.stop();
  await rm(folder, { recursive: true });
});

describeEventStore('a node over TLS', async () => createEsdbEventStore(urlFor('baton', PASSWORD), ports));

it.each([
  ['a wrong password', 'baton', 'wrong', /user or password/],
  ['a user who may not read all', 'guest', PASSWORD, /may read \$all/],
])('says what to do about %s, to the server and in the doctor', async (_, name, password, advice) => {
  const store = createEsdbEventStore(urlFor(name, password), ports);
  try {
    await expect(store.readAll({ limit: 1 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(advice),
    });
  } finally {
    await store.close();
  }
  const [check] = await checkEventStore(urlFor(name, password));
  expect(check).toMatchObject({ name: 'event store', status: 'fail', advice: expect.stringMatching(advice) });
});

it('a user outside $admins needs the right to read all, and no other', async () => {
  const admin = EventStoreDBClient.connectionString(urlFor('baton', PASSWORD));
  await admin.setStreamMetadata('$all', { acl: { readRoles: ['$admins', 'clerk'] } });
  await admin.dispose();
  const store = createEsdbEventStore(urlFor('clerk', PASSWORD), ports);
  try {
    const clusterId = await clusterIdOf(store, { clock: systemClock, ids: systemIds }, 'clerk');
    expect(await clusterIdOf(store, { clock: systemClock, ids: systemIds }, 'clerk')).toBe(clusterId);
    expect(await store.head()).toBeGreaterThan(0n);
    expect((await checkEventStore(urlFor('clerk', PASSWORD)))[0]).toMatchObject({ status: 'ok' });
  } finally {
    await store.close();
  }
});
