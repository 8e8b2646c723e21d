import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WrongExpectedVersionError } from '@eventstore/db-client';
import { spawnEventStoreNode } from 'baton-eventstore-node';
import { describe, expect, it } from 'vitest';
import { runProgram, runScript } from '../../../test/support/run-source.ts';
import { startEventStoreNode } from '../src/index.ts';
import { collect, connect, dataOf, event, events, eventually, kill, spawnOn, temporaryFolder } from './support.ts';

const MAIN = runProgram(fileURLToPath(new URL('../src/main.ts', import.meta.url)));

/** As in another container: own network, own pids. */
const ELSEWHERE = ['--net', '--pid', '--fork', '--mount-proc', '--kill-child'];
const canBeElsewhere = spawnSync('unshare', [...ELSEWHERE, 'true']).status === 0;

/** What a node prints first, ready or not, when it is started on the folder from elsewhere. */
const firstWordsElsewhere = async (folder: string): Promise<string> => {
  const node = [process.execPath, ...MAIN, '--data', folder, '--host', '::'];
  const child = spawn('unshare', [...ELSEWHERE, ...node]);
  const words = await new Promise<string>((resolve) => {
    for (const output of [child.stdout, child.stderr]) output.once('data', (text) => resolve(String(text)));
  });
  child.kill('SIGKILL');
  return words;
};

const segmentOf = (folder: string) => {
  const [name] = readdirSync(folder).filter((file) => file.startsWith('segment-'));
  return join(folder, name as string);
};

const idsOf = async (connectionString: string) =>
  (await collect(connect(connectionString).readAll())).map(({ event }) => event?.id);

/** Runs a node on the folder in this process for as long as `use` takes. */
const withNode = async <T>(dataDir: string, use: (connectionString: string) => Promise<T>): Promise<T> => {
  const node = await startEventStoreNode({ dataDir });
  try {
    return await use(node.connectionString);
  } finally {
    await node.stop();
  }
};

const filled = async (count: number): Promise<string> => {
  const folder = await temporaryFolder();
  await withNode(folder, async (connectionString) => {
    const client = connect(connectionString);
    for (let n = 0; n < count; n++) await client.appendToStream(`order-${n % 3}`, event(n));
  });
  return folder;
};

describe('a node that is killed', () => {
  it('has every acknowledged event when it is restarted, and only complete appends', async () => {
    const folder = await temporaryFolder();
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round++) {
      const node = await spawnOn(folder);
      const client = connect(node.connectionString);
      const write = async (stream: string) => {
        for (;;) {
          const batch = events(3);
          await client.appendToStream(stream, batch);
          acknowledged.push(...batch.map(({ id }) => id));
        }
      };
      const writers = Promise.allSettled(Array.from({ length: 30 }, (_, w) => write(`s-${w}`)));
      await eventually(() => acknowledged.length > (round + 1) * 1_500);
      await kill(node);
      await writers;
    }
    const node = await spawnOn(folder);
    const client = connect(node.connectionString);
    const stored = (await collect(client.readAll())).map(({ event }) => event?.id);
    expect(new Set(stored).size).toBe(stored.length);
    expect(acknowledged.filter((id) => !new Set(stored).has(id))).toEqual([]);
    for (let w = 0; w < 30; w++) {
      const revisions = (await collect(client.readStream(`s-${w}`))).map(({ event }) => event?.revision);
      expect(revisions).toEqual(revisions.map((_, i) => BigInt(i)));
      expect(revisions.length % 3).toBe(0);
    }
  }, 90_000);

  it('still recognises a repeat at an expected revision, and refuses other events there', async () => {
    const folder = await temporaryFolder();
    const batch = events(3);
    const first = await spawnOn(folder);
    const result = await connect(first.connectionString).appendToStream('order-1', batch, {
      expectedRevision: 'no_stream',
    });
    await kill(first);
    const second = await spawnOn(folder);
    const client = connect(second.connectionString);
    expect(await client.appendToStream('order-1', batch, { expectedRevision: 'no_stream' })).toEqual(result);
    const other = client.appendToStream('order-1', events(3), { expectedRevision: 'no_stream' });
    await expect(other).rejects.toBeInstanceOf(WrongExpectedVersionError);
  });

  it('leaves a folder that the next node takes over', async () => {
    const folder = await temporaryFolder();
    const first = await spawnOn(folder);
    await kill(first);
    await expect(spawnOn(folder)).resolves.toBeDefined();
  });
});

describe('a restart', () => {
  it('returns everything as before, including positions and metadata', async () => {
    const folder = await filled(20);
    const look = (connectionString: string) => collect(connect(connectionString).readAll());
    const before = await withNode(folder, async (connectionString) => {
      const client = connect(connectionString);
      await client.setStreamMetadata('order-0', { maxCount: 2 });
      await client.deleteStream('order-1');
      await client.tombstoneStream('order-2');
      return look(connectionString);
    });
    await withNode(folder, async (connectionString) => {
      expect(await look(connectionString)).toEqual(before);
      const client = connect(connectionString);
      expect(await collect(client.readStream('order-0'))).toHaveLength(2);
      await expect(collect(client.readStream('order-1'))).rejects.toThrow();
      await expect(client.appendToStream('order-2', event(0))).rejects.toThrow();
      expect((await client.appendToStream('order-1', event(0), { expectedRevision: 6n })).nextExpectedRevision).toBe(
        7n,
      );
    });
  });

  it('needs no index snapshot, and ignores a broken one', async () => {
    const folder = await filled(20);
    const ids = await withNode(folder, idsOf);
    rmSync(join(folder, 'index.snapshot'));
    expect(await withNode(folder, idsOf)).toEqual(ids);
    const snapshot = readFileSync(join(folder, 'index.snapshot'));
    snapshot[40] = (snapshot[40] as number) ^ 1;
    writeFileSync(join(folder, 'index.snapshot'), snapshot);
    expect(await withNode(folder, idsOf)).toEqual(ids);
  });
});

describe('a damaged log', () => {
  it('with a torn end is cut back to the last complete append', async () => {
    const folder = await filled(10);
    const ids = await withNode(folder, idsOf);
    rmSync(join(folder, 'index.snapshot'));
    truncateSync(segmentOf(folder), statSync(segmentOf(folder)).size - 7);
    expect(await withNode(folder, idsOf)).toEqual(ids.slice(0, -1));
    await withNode(folder, async (connectionString) => {
      await connect(connectionString).appendToStream('order-9', event(9));
      expect(await idsOf(connectionString)).toHaveLength(ids.length);
    });
  });

  it('with garbage at its end is cut back as well', async () => {
    const folder = await filled(10);
    const ids = await withNode(folder, idsOf);
    rmSync(join(folder, 'index.snapshot'));
    writeFileSync(segmentOf(folder), Buffer.alloc(5_000, 0xa5), { flag: 'a' });
    expect(await withNode(folder, idsOf)).toEqual(ids);
  });

  it('with a changed byte in the middle is refused, with the position', async () => {
    const folder = await filled(10);
    const bytes = readFileSync(segmentOf(folder));
    const at = Math.trunc(bytes.length / 2);
    bytes[at] = (bytes[at] as number) ^ 0x10;
    writeFileSync(segmentOf(folder), bytes);
    for (const snapshot of ['with', 'without']) {
      if (snapshot === 'without') rmSync(join(folder, 'index.snapshot'));
      const refusal = await startEventStoreNode({ dataDir: folder }).catch((error) => error);
      expect(refusal.name).toBe('DamagedLog');
      expect(refusal.position).toBeLessThanOrEqual(at);
      expect(refusal.position).toBeGreaterThan(at - 600);
      expect(refusal.message).toContain(String(refusal.position));
    }
    await expect(spawnEventStoreNode({ dataDir: folder })).rejects.toThrow(/damaged at position \d+/);
    expect(readFileSync(segmentOf(folder))).toEqual(bytes);
  });

  it('that has lost durable events is refused', async () => {
    const folder = await filled(10);
    truncateSync(segmentOf(folder), statSync(segmentOf(folder)).size - 7);
    await expect(startEventStoreNode({ dataDir: folder })).rejects.toThrow(/log ends at position \d+/);
  });
});

describe('a data folder', () => {
  it('serves one node at a time, in one process or two', async () => {
    const folder = await temporaryFolder();
    const node = await spawnOn(folder);
    const message = new RegExp(`in use by process ${node.pid}`);
    await expect(startEventStoreNode({ dataDir: folder })).rejects.toThrow(message);
    await expect(spawnEventStoreNode({ dataDir: folder })).rejects.toThrow(message);
    await node.stop();
    await withNode(folder, async () => {
      await expect(startEventStoreNode({ dataDir: folder })).rejects.toThrow(/in use/);
    });
  });

  it.runIf(canBeElsewhere)(
    `serves one node at a time, in whichever namespaces they run${canBeElsewhere ? '' : ' (skipped: unshare is forbidden here)'}`,
    async () => {
      const folder = await temporaryFolder();
      await spawnOn(folder);
      expect(await firstWordsElsewhere(folder)).toMatch(/in use by another process/);
    },
  );

  it('is free again when the port could not be opened', async () => {
    const folder = await temporaryFolder();
    const other = await startEventStoreNode({ inMemory: true });
    await expect(startEventStoreNode({ dataDir: folder, port: other.port })).rejects.toThrow(/EADDRINUSE/);
    await other.stop();
    await expect(withNode(folder, idsOf)).resolves.toHaveLength(1);
  });
});

describe('the node process', () => {
  it('prints one line when it is ready, and exits with 0 on request with its appends committed', async () => {
    const folder = await temporaryFolder();
    const child = spawn(process.execPath, [...MAIN, '--data', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (text) => {
      output += text;
    });
    await eventually(() => output.includes('\n'));
    const ready = JSON.parse(output);
    expect(ready).toEqual({
      ready: true,
      port: expect.any(Number),
      pid: child.pid,
      connectionString: `esdb://127.0.0.1:${ready.port}?tls=false`,
    });
    const client = connect(ready.connectionString);
    await client.appendToStream('order-1', event(0));
    const subscription = client.subscribeToAll();
    const ended = new Promise((resolve) => subscription.on('error', resolve));
    await new Promise((resolve) => subscription.on('caughtUp', resolve as () => void));
    const pending = Array.from({ length: 50 }, (_, n) => client.appendToStream('order-2', event(n)));
    const settled = Promise.allSettled(pending);

    const started = Date.now();
    child.kill('SIGTERM');
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(0);
    expect(Date.now() - started).toBeLessThan(2_000);
    expect(output.trim().split('\n')).toHaveLength(1);
    expect(await ended).toBeInstanceOf(Error);
    const acknowledged = (await settled).filter(({ status }) => status === 'fulfilled').length;
    const stored = await withNode(folder, (connectionString) =>
      collect(connect(connectionString).readStream('order-2')).catch(() => []),
    );
    expect(stored.length).toBeGreaterThanOrEqual(acknowledged);
    expect(stored.map(({ event }) => dataOf<{ n: number }>(event).n)).toEqual(stored.map((_, n) => n));
  });

  it('exits when its parent does', async () => {
    const folder = await temporaryFolder();
    const script = `
      import { spawnEventStoreNode } from 'baton-eventstore-node';
      const node = await spawnEventStoreNode({ dataDir: ${JSON.stringify(folder)} });
      process.stdout.write(String(node.pid) + '\\n');
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, runScript(script), { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    parent.stdout.on('data', (text) => {
      output += text;
    });
    await eventually(() => output.includes('\n'));
    const pid = Number(output);
    parent.kill('SIGKILL');
    await eventually(() => !isAlive(pid), 5_000);
  });

  it('explains which options it needs', async () => {
    await expect(spawnEventStoreNode({})).rejects.toThrow(/--data DIR or --in-memory is needed/);
  });
});

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z') === false;
  } catch {
    return false; // no such process
  }
};
