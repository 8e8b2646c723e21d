import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AccessDeniedError, jsonEvent, StreamNotFoundError, UnavailableError } from '@eventstore/db-client';
import { spawnEventStoreNode } from 'baton-eventstore-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startEventStoreNode } from '../src/index.ts';
import { selfSignedCertificate } from './certificate.ts';
import { rawCalls } from './raw-client.ts';
import {
  ADMIN,
  ALICE,
  BOB,
  certificate,
  certificateFiles,
  OPS,
  startSecureNode,
  USERS,
  withCredentials,
} from './secure-support.ts';
import { collect, connect, event, events, temporaryFolder } from './support.ts';

describe('a node over TLS', () => {
  it('serves the client through the connection string that it reports', async () => {
    const { node, files, client } = await startSecureNode();
    expect(node.connectionString).toBe(`esdb://127.0.0.1:${node.port}?tlsCAFile=${encodeURIComponent(files.certFile)}`);
    const alice = client(ALICE);
    await alice.appendToStream('s', events(300));
    expect(await collect(alice.readStream('s'))).toHaveLength(300);
  });

  it('is found by discovery, without credentials', async () => {
    const { node } = await startSecureNode();
    const client = connect(withCredentials(node.connectionString.replace('esdb:', 'esdb+discover:'), ALICE));
    await client.appendToStream('s', event(0));
    expect(await collect(client.readStream('s'))).toHaveLength(1);
  });

  it('handles appends and reads larger than any window, at the pace of the reader', async () => {
    const { client } = await startSecureNode();
    const alice = client(ALICE);
    const large = (n: number) => jsonEvent({ type: 'Large', data: { n, text: 'x'.repeat(900_000) } });
    for (let n = 0; n < 40; n++) await alice.appendToStream('large', large(n));
    let next = 0;
    for await (const { event } of alice.readStream<ReturnType<typeof large>>('large')) {
      expect(event?.data.n).toBe(next++);
    }
    expect(next).toBe(40);
  });

  it('stops in time, fails open calls with UNAVAILABLE, and is found again on its port', async () => {
    const dataDir = await temporaryFolder();
    const { node, files, client } = await startSecureNode({ dataDir, users: USERS });
    const alice = client(ALICE);
    await alice.appendToStream('s', event(0));
    const failed = new Promise<unknown>((resolve) => alice.subscribeToStream('s').on('error', resolve));
    const before = performance.now();
    await node.stop();
    expect(performance.now() - before).toBeLessThan(2_000);
    expect(await failed).toBeInstanceOf(UnavailableError);
    const again = await startEventStoreNode({ dataDir, port: node.port, tls: files, users: USERS });
    onTestFinished(() => again.stop());
    expect(await collect(alice.readStream('s'))).toHaveLength(1);
  });

  it('also accepts the certificate as text', async () => {
    const { node, files } = await startSecureNode({ inMemory: true, tls: certificate });
    expect(node.connectionString).toBe(`esdb://127.0.0.1:${node.port}`);
    const client = connect(
      withCredentials(`${node.connectionString}?tlsCAFile=${encodeURIComponent(files.certFile)}`, ADMIN),
    );
    expect(await collect(client.readStream('$users'))).toHaveLength(2);
  });

  const start = (tls: object) => startEventStoreNode({ inMemory: true, tls });

  it('does not start with files that are missing, unreadable, of the wrong kind, or not a pair', async () => {
    const { certFile, keyFile } = await certificateFiles();
    const other = selfSignedCertificate();
    await expect(start({ certFile })).rejects.toThrow('the private key is missing: tls.keyFile or tls.key is needed');
    await expect(start({ keyFile })).rejects.toThrow('the certificate is missing: tls.certFile or tls.cert is needed');
    await expect(start({ certFile, cert: 'x', keyFile })).rejects.toThrow(
      'tls.cert and tls.certFile exclude each other',
    );
    await expect(start({ certFile: `${certFile}.gone`, keyFile })).rejects.toThrow(
      `the certificate ${certFile}.gone (tls.certFile, --tls-cert) cannot be read: ENOENT`,
    );
    await expect(start({ certFile: keyFile, keyFile })).rejects.toThrow(
      `the certificate ${keyFile} (tls.certFile, --tls-cert) is not a certificate in PEM form`,
    );
    await expect(start({ certFile, keyFile: certFile })).rejects.toThrow(
      `the private key ${certFile} (tls.keyFile, --tls-key) is not a private key without a passphrase in PEM form`,
    );
    await expect(start({ certFile, key: other.key })).rejects.toThrow(
      `the certificate ${certFile} (tls.certFile, --tls-cert) and the private key (tls.key) do not belong together`,
    );
  });
});

describe('credentials', () => {
  it('come from the connection, or from the call if it has its own', async () => {
    const { client } = await startSecureNode();
    const bob = client(BOB);
    await bob.setStreamMetadata('s', { acl: { readRoles: ['alice'] } });
    await bob.appendToStream('s', event(0));
    await expect(collect(bob.readStream('s'))).rejects.toThrow(AccessDeniedError);
    expect(await collect(bob.readStream('s', { credentials: ALICE }))).toHaveLength(1);
  });

  it('may change from call to call on one connection', async () => {
    const { client } = await startSecureNode();
    const someone = client(ALICE);
    await client(ADMIN).setStreamMetadata('s', { acl: { writeRoles: ['bob'] } });
    for (let round = 0; round < 3; round++) {
      await someone.appendToStream('s', event(round), { credentials: BOB });
      const refused = [ALICE, { ...BOB, password: 'wrong' }, OPS];
      for (const credentials of refused) {
        await expect(someone.appendToStream('s', event(0), { credentials })).rejects.toThrow(AccessDeniedError);
      }
    }
    expect(await collect(someone.readStream('s'))).toHaveLength(3);
  });

  it.each([
    ['an unknown user', { username: 'nobody', password: 'changeit' }],
    ['a wrong password', { username: 'admin', password: 'changeiT' }],
    ['a password that goes on', { username: 'admin', password: 'changeit ' }],
    ['the password of another', { username: 'alice', password: 'bob' }],
  ])('of %s end every call with UNAUTHENTICATED', async (_, credentials) => {
    const { client } = await startSecureNode();
    const known = client(ADMIN);
    const denied = { code: 16 };
    await expect(known.appendToStream('s', event(0), { credentials })).rejects.toThrow(AccessDeniedError);
    await expect(client(credentials).appendToStream('s', event(0))).rejects.toThrow(AccessDeniedError);
    await expect(collect(known.readStream('s', { credentials }))).rejects.toMatchObject({ _raw: denied });
    await expect(known.deleteStream('s', { credentials })).rejects.toThrow(AccessDeniedError);
    await expect(collect(known.readStream('s'))).rejects.toThrow(StreamNotFoundError);
  });

  it.each([
    'Basic YWRtaW46d3Jvbmc=', // admin:wrong
    'Basic nonsense',
    'Bearer eyJhbGciOiJIUzI1NiJ9.e30.x',
    '',
  ])('%j are refused before the call is read, with a status and nothing else', async (authorization) => {
    const { node } = await startSecureNode();
    const call = rawCalls(node.port, { ca: certificate.cert, authorization });
    const ended = await call('Append').send(Buffer.from('no message at all')).ended;
    expect(ended).toMatchObject({ 'grpc-status': '16' });
    expect(ended).not.toHaveProperty('exception');
    expect(await call('Nothing').ended).toMatchObject({ 'grpc-status': '16' });
  });

  it('that are missing allow only calls about the node itself', async () => {
    const { client } = await startSecureNode();
    const anonymous = client();
    await client(ADMIN).setStreamMetadata('s', { acl: { readRoles: ['$all'], writeRoles: ['$all'] } });
    await expect(anonymous.appendToStream('s', event(0))).rejects.toThrow(AccessDeniedError);
    await expect(collect(anonymous.readStream('s'))).rejects.toMatchObject({ _raw: { code: 7 } });
    await expect(collect(anonymous.readAll())).rejects.toThrow(AccessDeniedError);
    await expect(collect(anonymous.subscribeToStream('s'))).rejects.toThrow(AccessDeniedError);
    await expect(anonymous.tombstoneStream('s')).rejects.toThrow(AccessDeniedError);
    await expect(anonymous.getStreamMetadata('s')).rejects.toThrow(AccessDeniedError);
  });
});

describe('users', () => {
  const userEvents = async (secure: Awaited<ReturnType<typeof startSecureNode>>, name: string) => {
    const stored = await collect(secure.client(ADMIN).readStream(`$user-${name}`));
    return stored.map(({ event }) => ({ type: event?.type, data: event?.data as Record<string, unknown> }));
  };

  it('are admin and ops by default, recorded in a new log as a real server records them', async () => {
    const secure = await startSecureNode({ inMemory: true });
    const admin = secure.client(ADMIN);
    const all = await collect(admin.readAll());
    expect(all.map(({ event }) => [event?.streamId, event?.type])).toEqual([
      ['$$$user-admin', '$metadata'],
      ['$user-admin', '$UserCreated'],
      ['$users', '$User'],
      ['$$$user-ops', '$metadata'],
      ['$user-ops', '$UserCreated'],
      ['$users', '$User'],
    ]);
    expect(Buffer.from(all[2]?.event?.data as Uint8Array).toString()).toBe('admin');
    expect(all[1]?.event?.data).toEqual({
      loginName: 'admin',
      fullName: 'Event Store Administrator',
      salt: expect.stringMatching(/^[\w+/]{22}==$/),
      hash: expect.stringMatching(/^[\w+/]{43}=$/),
      disabled: false,
      groups: ['$admins'],
    });
    const { metadata } = await admin.getStreamMetadata('$user-ops');
    expect(metadata?.acl).toMatchObject({ writeRoles: '$admins', metaWriteRoles: '$admins' });
    expect(await collect(secure.client(OPS).readStream('$users')).catch((error) => error)).toBeInstanceOf(
      AccessDeniedError,
    );
  });

  it('are stored once; a changed password or group takes effect at the next start', async () => {
    const dataDir = await temporaryFolder();
    const first = await startSecureNode({ dataDir, users: USERS });
    await first.client(BOB).appendToStream('s', event(0));
    await first.node.stop();

    const second = await startSecureNode({ dataDir, users: USERS });
    expect(await userEvents(second, 'bob')).toHaveLength(1);
    await second.node.stop();

    const changed = USERS.map((user) => (user.name === 'bob' ? { ...user, password: 'new', groups: ['g'] } : user));
    const third = await startSecureNode({ dataDir, users: changed });
    await expect(collect(third.client(BOB).readStream('s'))).rejects.toThrow(AccessDeniedError);
    expect(await collect(third.client({ ...BOB, password: 'new' }).readStream('s'))).toHaveLength(1);
    const stored = await userEvents(third, 'bob');
    expect(stored.map(({ type, data }) => [type, data['groups']])).toEqual([
      ['$UserCreated', []],
      ['$UserUpdated', ['g']],
    ]);
  });

  it('can be added to a data folder used without them, and removed again', async () => {
    const dataDir = await temporaryFolder();
    const open = await startEventStoreNode({ dataDir });
    await connect(open.connectionString).appendToStream('s', event(0));
    await open.stop();
    const secure = await startSecureNode({ dataDir });
    expect(await userEvents(secure, 'ops')).toHaveLength(1);
    await secure.client(OPS).appendToStream('s', event(1));
    await secure.node.stop();
    const again = await startEventStoreNode({ dataDir });
    expect(await collect(connect(again.connectionString).readStream('s'))).toHaveLength(2);
    await again.stop();
  });

  it.each([
    [[], 'users: must name at least one user'],
    [[{ name: '', password: 'p', groups: [] }], 'users[0].name: must not be empty'],
    [[{ name: 'a:b', password: 'p', groups: [] }], 'users[0].name: must not contain a colon'],
    [[{ name: 'a', password: '', groups: [] }], 'users[0].password: must not be empty'],
    [[...USERS, { name: 'bob', password: 'x', groups: [] }], 'users[4].name: "bob" occurs twice'],
  ])('cannot be %j', async (users, problem) => {
    await expect(startEventStoreNode({ inMemory: true, tls: certificate, users })).rejects.toThrow(problem);
  });

  it('need TLS', async () => {
    await expect(startEventStoreNode({ inMemory: true, users: USERS })).rejects.toThrow('users need tls');
  });
});

describe('the command', () => {
  const usersFile = async (text: string, mode = 0o600) => {
    const path = join(await temporaryFolder(), 'users.json');
    await writeFile(path, text, { mode });
    return path;
  };

  it('serves the users of a file over TLS', async () => {
    const tls = await certificateFiles();
    const file = await usersFile(JSON.stringify([{ name: 'carol', password: 'secret' }]));
    const node = await spawnEventStoreNode({ inMemory: true, tls, usersFile: file });
    try {
      const client = connect(withCredentials(node.connectionString, { username: 'carol', password: 'secret' }));
      await client.appendToStream('s', event(0));
      const stream = collect(client.readStream('s', { credentials: ADMIN }));
      await expect(stream).rejects.toThrow(AccessDeniedError);
    } finally {
      await node.stop();
    }
  });

  it('reports which option is missing or which field of the file is wrong, without showing a password', async () => {
    const tls = await certificateFiles();
    const spawn = (options: object) => spawnEventStoreNode({ inMemory: true, ...options });
    const wrong = await usersFile('[{"name":"a","password":"s3cret","group":["x"]},{"name":"b","password":5}]');
    const failure = await spawn({ tls, usersFile: wrong }).then(
      () => '',
      ({ message }: Error) => message,
    );
    expect(failure).toContain(`the users file ${wrong}: `);
    expect(failure).toMatch(/users\[0\]: .*"group"/);
    expect(failure).toContain('users[1].password: ');
    expect(failure).not.toContain('s3cret');
    const notJson = await usersFile('[{"name":"a","password":"s3cret",]');
    await expect(spawn({ tls, usersFile: notJson })).rejects.toThrow(/the users file .* is not JSON$/);
    await expect(spawn({ usersFile: wrong })).rejects.toThrow('--users needs --tls-cert and --tls-key');
  });
});
