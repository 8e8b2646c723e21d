import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { startEventStoreNode } from 'baton-eventstore-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { selfSignedCertificate } from '../../packages/eventstore-node/test/certificate.ts';
import { endOf, firstLine, runHere, startCli } from '../support/cli-process.ts';

const temporaryFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'eventstore-node-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

const clientOf = (url: string): EventStoreDBClient => {
  const client = EventStoreDBClient.connectionString(url);
  onTestFinished(() => client.dispose());
  return client;
};

const start = (...args: string[]) => {
  const child = startCli(['eventstore-node', ...args], {});
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
};

const placed = (amount: number) => jsonEvent({ type: 'OrderPlaced', data: { amount } });

describe('baton eventstore-node', () => {
  it('reports where it listens, accepts appends, and exits with 0 on request with everything stored', async () => {
    const data = join(await temporaryFolder(), 'events');
    const flags = ['--when-slow', 'drop', '--live-buffer', '64', '--v2'];
    const child = start('--data', data, '--port', '0', ...flags, '--json');
    const ended = endOf(child);
    const ready = JSON.parse(await firstLine(child));
    expect(ready).toEqual({
      ready: true,
      pid: child.pid,
      host: '127.0.0.1',
      port: expect.any(Number),
      connectionString: `esdb://127.0.0.1:${ready.port}?tls=false`,
      tls: false,
      dataDir: data,
      slowSubscribers: { liveBuffer: 64, whenSlow: 'drop' },
      v2: true,
    });
    await clientOf(ready.connectionString).appendToStream('order-1', placed(12));

    const second = await runHere(['eventstore-node', '--data', data], {});
    expect(second.code).toBe(1);
    expect(second.err).toContain(`is in use by process ${child.pid}; stop that node or use another folder`);
    const looked = await runHere(['eventstore', 'verify', '--data', data, '--json'], {});
    expect([looked.code, JSON.parse(looked.out).error.code]).toEqual([1, 'FOLDER_IN_USE']);

    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, err: '' });
    const verified = await runHere(['eventstore', 'verify', '--data', data, '--json'], {});
    expect([verified.code, JSON.parse(verified.out)]).toMatchObject([0, { verified: true, events: 2, streams: 2 }]);
  });

  it('prints sentences for people', async () => {
    const child = start('--in-memory', '--port', '0', '--host', '0.0.0.0', '--when-slow', 'read', '--v2');
    const ended = endOf(child);
    await firstLine(child);
    child.kill('SIGINT');
    const { code, out, err } = await ended;
    expect(code).toBe(0);
    expect(out).toMatch(/^The event store node is ready \(process \d+\)\. Ctrl-C stops it\.$/m);
    expect(out).toMatch(/^listens on {2}0\.0\.0\.0:\d+$/m);
    expect(out).toMatch(/^connect to {2}esdb:\/\/127\.0\.0\.1:\d+\?tls=false$/m);
    expect(out).toMatch(/^data {8}in memory: gone when the node stops$/m);
    expect(out).toMatch(/^slow {8}a live subscriber more than 32 events behind catches up from the log, as in 24$/m);
    expect(out).toMatch(/^v2 {10}appends to several streams are served$/m);
    expect(err).toContain('anyone who can reach 0.0.0.0 can read and change everything');
  });

  it('requires a user when it has a certificate', async () => {
    const folder = await temporaryFolder();
    const [cert, key, users] = [join(folder, 'node.crt'), join(folder, 'node.key'), join(folder, 'users.json')];
    const certificate = selfSignedCertificate();
    await writeFile(cert, certificate.cert);
    await writeFile(key, certificate.key);
    await writeFile(users, JSON.stringify([{ name: 'clerk', password: 'secret' }]), { mode: 0o600 });
    const secure = ['--tls-cert', cert, '--tls-key', key];
    const child = start('--in-memory', '--port', '0', ...secure, '--users', users, '--json');
    const { connectionString, tls } = JSON.parse(await firstLine(child));
    expect(tls).toBe(true);
    const known = clientOf(connectionString.replace('esdb://', 'esdb://clerk:secret@'));
    await expect(known.appendToStream('order-1', placed(12))).resolves.toMatchObject({ success: true });
    const unknown = clientOf(connectionString.replace('esdb://', 'esdb://clerk:wrong@'));
    await expect(unknown.appendToStream('order-1', placed(12))).rejects.toThrow();

    await writeFile(users, '[{"name":"clerk"}]');
    const refusals = [
      [...secure, '--users', users],
      ['--tls-cert', cert],
      ['--users', users],
      ['--tls-cert', key, '--tls-key', cert],
    ];
    for (const args of refusals) {
      const { code, out, err } = await runHere(['eventstore-node', '--in-memory', ...args], {});
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(/^error: .*(password|--tls-key is missing|--users needs|is not a certificate)/);
      expect(err).not.toMatch(/^ {4}at /m);
    }
  });

  it('explains in one sentence why it does not start', async () => {
    const folder = await temporaryFolder();
    const other = await startEventStoreNode();
    onTestFinished(() => other.stop());
    await writeFile(join(folder, 'file'), '');
    const [broken, newer] = [join(folder, 'broken'), join(folder, 'newer')];
    for (const [path, identity] of [
      [broken, '{'],
      [newer, '{"format":2}'],
    ] as const) {
      await mkdir(path);
      await writeFile(join(path, 'node.json'), identity);
    }
    const cases: [string[], number, RegExp][] = [
      [[], 2, /name where events go: either --data DIR or --in-memory/],
      [['--data', folder, '--in-memory'], 2, /either --data DIR or --in-memory/],
      [['--data', ''], 2, /name a folder/],
      [['--in-memory', '--port', '70000'], 2, /a whole number from 0 to 65535/],
      [['--in-memory', '--when-slow', 'wait'], 2, /--when-slow is drop or read, not "wait"/],
      [
        ['--in-memory', '--when-slow', 'drop', '--live-buffer', '-1'],
        2,
        /--live-buffer is a number of events, not "-1"/,
      ],
      [['--in-memory', '--live-buffer', '32'], 2, /--live-buffer needs --when-slow/],
      [['--in-memory', '--port', String(other.port)], 1, /port \d+ of 127\.0\.0\.1 is in use/],
      [['--in-memory', '--host', '192.0.2.1'], 1, /cannot listen there: .*EADDRNOTAVAIL/],
      [['--data', join(folder, 'file')], 1, /cannot be used: a file of that name is in the way/],
      [['--data', join(folder, 'file', 'data')], 1, /cannot be used: a file of that name is in the way/],
      [['--data', broken], 1, /broken\/node\.json is damaged; restore it from a copy/],
      [['--data', newer], 1, /newer\/node\.json: data format 2 is not supported, only 1/],
      [['--data', '/proc/data/events'], 1, /\/proc\/data\/events cannot be used: it cannot be created there/],
    ];
    for (const [args, code, message] of cases) {
      const ended = await runHere(['eventstore-node', ...args], {});
      expect(ended).toMatchObject({ code, out: '' });
      expect(ended.err).toMatch(message);
      expect(ended.err).not.toMatch(/^ {4}at /m);
    }
  });
});

describe('baton eventstore verify', () => {
  it('reports what is damaged and lost; the node refuses to start, and nothing is changed', async () => {
    const data = await temporaryFolder();
    const node = await startEventStoreNode({ dataDir: data });
    const client = clientOf(node.connectionString);
    for (let n = 0; n < 5; n++) await client.appendToStream('order-1', placed(n));
    let position = 0;
    for await (const { event } of client.readStream('order-1', { fromRevision: 2n, maxCount: 1 }))
      position = Number(event?.position?.commit);
    await node.stop();
    const [name = ''] = (await readdir(data)).filter((file) => file.startsWith('segment-'));
    const bytes = await readFile(join(data, name));
    bytes[position + 100] = (bytes[position + 100] as number) ^ 1;
    await writeFile(join(data, name), bytes);

    const { code, out } = await runHere(['eventstore', 'verify', '--data', data], {});
    expect(code).toBe(1);
    expect(out).toContain(`DAMAGED  position ${position} (${name}, byte ${position}): the record is damaged, `);
    expect(out).toContain(`LOST     revision 2 of stream order-1 (position ${position})\n`);
    expect(out).toMatch(/^verified {2}NO$/m);
    const refused = await runHere(['eventstore-node', '--data', data, '--port', '0'], {});
    expect(refused.code).toBe(1);
    expect(refused.err).toContain(`damaged at position ${position}`);
    expect(refused.err).toContain(`\`baton eventstore verify --data ${data}\` lists every damaged place`);
    expect(await readFile(join(data, name))).toEqual(bytes);
  });
});
