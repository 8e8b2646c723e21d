import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
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

const certificate = selfSignedCertificate();

let folder: string;
let certFile: string;
let node: RunningNode;

/** As an operator writes it into the environment. */
const urlFor = (name: string, password: string) =>
  readConfig({
    EVENTSTORE_URL: node.connectionString.replace('://', `://${name}:${encodeURIComponent(password)}@`),
  }).eventStoreUrl as string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secure-node-'));
  certFile = join(folder, 'node.crt');
  const keyFile = join(folder, 'node.key');
  await writeFile(certFile, certificate.cert);
  await writeFile(keyFile, certificate.key, { mode: 0o600 });
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
  ['no address', (port: number) => `esdb://127.0.0.1:${port}`, []],
  ['no address to the nodes of a cluster', (port: number) => `esdb+discover://127.0.0.1:${port}`, []],
  ['a host name', (port: number) => `esdb://localhost:${port}`, ['localhost']],
])('tells the server %s as TLS server name', async (_, urlOf, expected) => {
  const names: string[] = [];
  const SNICallback = (name: string, done: (error: Error | null) => void): void => {
    names.push(name);
    done(null);
  };
  let connections = 0;
  const server = createServer({ ...certificate, SNICallback, ALPNProtocols: ['h2'] }, (socket) => {
    connections += 1;
    socket.destroy();
  });
  server.listen(0);
  await once(server, 'listening');
  const url = `${urlOf((server.address() as AddressInfo).port)}?tlsCAFile=${encodeURIComponent(certFile)}`;
  const store = createEsdbEventStore(url, { ...ports, logger: createLogger('silent'), retryForMs: 1 });
  try {
    await expect(store.readAll({ limit: 1 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  } finally {
    await store.close();
    server.close();
  }
  expect(connections).toBeGreaterThan(0); // the certificate was accepted
  expect([...new Set(names)]).toEqual(expected);
});

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
    const url = urlFor('clerk', PASSWORD);
    for (const asked of [url, url.replace('esdb:', 'kurrentdb:')])
      expect((await checkEventStore(asked))[0]).toMatchObject({ status: 'ok' });
  } finally {
    await store.close();
  }
});
