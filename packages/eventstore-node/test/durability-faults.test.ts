import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type SpawnedNode, startEventStoreNode } from '../src/index.ts';
import { verifyDataFolder } from '../src/store/verify.ts';
import { collect, connect, events, eventually, kill, PATHS, spawnOn, temporaryFolder } from './support.ts';

/** Nodes that are killed at a random moment; raise it for a campaign. */
const KILLS = Number(process.env['EVENTSTORE_NODE_KILLS'] ?? 3);
/** Bytes from one place where a write is torn to the next. */
const TORN_STEP = Number(process.env['EVENTSTORE_NODE_TORN_STEP'] ?? 7);

const idsIn = async (client: EventStoreDBClient) =>
  new Set((await collect(client.readAll())).map(({ event }) => event?.id));

const segmentsOf = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name.startsWith('segment-'))
    .toSorted()
    .map((name) => join(folder, name));

/** What makes a disk full, and how room is made again. */
type SmallDisk = {
  readonly folder: string;
  fill(node: SpawnedNode): void;
  free(node: SpawnedNode): void;
};

const succeeds = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;

const smallFileSystem = async (): Promise<SmallDisk> => {
  const mount = await temporaryFolder();
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount]);
  onTestFinished(() => void spawnSync('umount', ['--lazy', mount]));
  const ballast = join(mount, 'ballast');
  writeFileSync(ballast, Buffer.alloc(2 * 1024 * 1024));
  return { folder: join(mount, 'data'), fill: () => {}, free: () => rmSync(ballast) };
};

const limitOnFiles = async (): Promise<SmallDisk> => {
  const limit = (node: SpawnedNode, size: string) =>
    spawnSync('prlimit', ['--pid', String(node.pid), `--fsize=${size}:`]);
  return {
    folder: join(await temporaryFolder(), 'data'),
    fill: (node) => limit(node, '2000000'),
    free: (node) => limit(node, 'unlimited'),
  };
};

const canMount = async (): Promise<boolean> => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const at = `/tmp/baton-mount-${randomUUID()}`;
  mkdirSync(at);
  const mounted = succeeds('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', at);
  if (mounted) spawnSync('umount', [at]);
  rmSync(at, { recursive: true });
  return mounted;
};

const DISKS = [
  { what: 'file system', possible: await canMount(), reason: 'mount needs root', make: smallFileSystem },
  { what: 'limit on file sizes', possible: succeeds('prlimit', '--version'), reason: 'no prlimit', make: limitOnFiles },
];

describe.each(DISKS)('a full disk ($what)', ({ possible, reason, make }) => {
  it.skipIf(!possible)(
    `fails appends clearly while reads go on, until there is room${possible ? '' : ` (skipped: ${reason})`}`,
    async () => {
      const disk = await make();
      const node = await spawnOn(disk.folder);
      const client = connect(node.connectionString);
      const acknowledged: string[] = [];
      const failed: string[] = [];
      const append = async (options: object) => {
        const event = jsonEvent({ type: 'Large', data: { text: 'x'.repeat(100_000) } });
        try {
          await client.appendToStream('s', event, options);
          acknowledged.push(event.id);
          return undefined;
        } catch (error) {
          failed.push(event.id);
          return error as Error & { code: number };
        }
      };
      await append({});
      const seen = new Set<string>();
      const subscription = client.subscribeToAll().on('data', ({ event }) => event && seen.add(event.id));
      const ended: unknown[] = [];
      subscription.on('error', (error) => ended.push(error));
      disk.fill(node);
      for (const [, options] of PATHS) {
        let error: Awaited<ReturnType<typeof append>>;
        for (let n = 0; n < 60 && error === undefined; n++) error = await append(options);
        expect(error?.message).toMatch(/disk full: the events could not be written/);
        // On the other path the client keeps no code.
        if ('credentials' in options) expect(error?.code).toBe(8);
      }
      expect(acknowledged.length).toBeGreaterThan(5);
      for (const id of acknowledged) expect(await idsIn(client)).toContain(id);
      expect(await collect(client.readStream('s'))).toHaveLength(acknowledged.length);
      await eventually(() => acknowledged.every((id) => seen.has(id)));
      expect(await append({})).toBeDefined();

      disk.free(node);
      expect(await append({})).toBeUndefined();
      await eventually(() => seen.has(acknowledged.at(-1) as string));
      expect(ended).toEqual([]);
      await kill(node);
      expect(await verifyDataFolder(disk.folder)).toMatchObject({ problemCount: 0, tornTail: undefined });
      const ids = await idsIn(connect((await spawnOn(disk.folder)).connectionString));
      expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
      expect(failed.filter((id) => ids.has(id))).toEqual([]);
      expect(failed.filter((id) => seen.has(id))).toEqual([]);
    },
  );
});

describe('a node that is killed at random moments', () => {
  /** What a client was told, of every kind of write. */
  class Witness {
    readonly batches: { readonly stream: string; readonly ids: readonly string[] }[] = [];
    readonly maxCounts = new Map<string, number>();
    readonly deleted = new Set<string>();
    readonly tombstoned = new Set<string>();

    async write(client: EventStoreDBClient, writer: number, round: number): Promise<never> {
      for (let n = 0; ; n++) {
        const stream = `s-${writer}-${n % 3}`;
        const batch = Array.from({ length: 1 + ((writer + n) % 5) }, () =>
          jsonEvent({ type: 'Written', data: { text: 'x'.repeat((n * 97) % 3_000) } }),
        );
        await client.appendToStream(stream, batch);
        this.batches.push({ stream, ids: batch.map(({ id }) => id) });
        if (n % 4 === 0) {
          await client.setStreamMetadata(`limited-${writer}`, { maxCount: round * 100_000 + n + 1 });
          this.maxCounts.set(`limited-${writer}`, round * 100_000 + n + 1);
        }
        if (n % 6 === 5) await this.#end(client, `ended-${writer}-${round}-${n}`, n % 12 === 5);
      }
    }

    async #end(client: EventStoreDBClient, stream: string, softly: boolean): Promise<void> {
      await client.appendToStream(stream, events(2));
      await (softly ? client.deleteStream(stream) : client.tombstoneStream(stream));
      (softly ? this.deleted : this.tombstoned).add(stream);
    }
  }

  it(
    `keeps every acknowledged write, and none in part (${KILLS} kills)`,
    async () => {
      const folder = await temporaryFolder();
      const witness = new Witness();
      for (let round = 0; round < KILLS; round++) {
        const node = await spawnOn(folder);
        const client = connect(node.connectionString);
        const before = witness.batches.length;
        const writers = Promise.allSettled(Array.from({ length: 12 }, (_, w) => witness.write(client, w, round)));
        await eventually(() => witness.batches.length > before + 10, 30_000);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 600));
        await kill(node);
        await writers;
        expect((await verifyDataFolder(folder)).problems).toEqual([]);
      }
      const client = connect((await spawnOn(folder)).connectionString);
      const stored = new Map<string, string[]>();
      for (const { event } of await collect(client.readAll())) {
        if (!event?.streamId.startsWith('s-')) continue;
        stored.set(event.streamId, [...(stored.get(event.streamId) ?? []), event.id]);
      }
      for (const { stream, ids } of witness.batches) {
        const at = stored.get(stream)?.indexOf(ids[0] as string) ?? -1;
        expect(stored.get(stream)?.slice(at, at + ids.length)).toEqual(ids);
      }
      for (const [stream, maxCount] of witness.maxCounts) {
        const { metadata } = await client.getStreamMetadata(stream);
        expect(metadata?.maxCount).toBeGreaterThanOrEqual(maxCount);
      }
      for (const stream of witness.deleted)
        await expect(collect(client.readStream(stream))).rejects.toMatchObject({ type: 'stream-not-found' });
      for (const stream of witness.tombstoned)
        await expect(collect(client.readStream(stream))).rejects.toMatchObject({ type: 'stream-deleted' });
    },
    60_000 + KILLS * 15_000,
  );

  it('while it stops and writes its index snapshot, loses nothing', async () => {
    const folder = await temporaryFolder();
    const acknowledged: string[] = [];
    for (const afterMs of [0, 10, 25, 60]) {
      const node = await spawnOn(folder);
      const client = connect(node.connectionString);
      for (let n = 0; n < 4; n++) {
        const batch = events(1_000);
        await client.appendToStream(`s-${n}`, batch);
        acknowledged.push(...batch.map(({ id }) => id));
      }
      process.kill(node.pid, 'SIGTERM');
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      if (isAlive(node.pid)) process.kill(node.pid, 'SIGKILL');
      await node.exited;
      expect((await verifyDataFolder(folder)).problems).toEqual([]);
    }
    const ids = await idsIn(connect((await spawnOn(folder)).connectionString));
    expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
  }, 90_000);

  it('leaves an incomplete snapshot that the next node ignores', async () => {
    const folder = await temporaryFolder();
    await (await startEventStoreNode({ dataDir: folder })).stop();
    const snapshot = join(folder, 'index.snapshot');
    for (const length of [0, 1, 11, 12, 40, statSync(snapshot).size - 1]) {
      const copy = join(await temporaryFolder(), 'data');
      cpSync(folder, copy, { recursive: true });
      truncateSync(join(copy, 'index.snapshot'), length);
      cpSync(snapshot, join(copy, 'index.snapshot.new'));
      truncateSync(join(copy, 'index.snapshot.new'), length);
      const node = await startEventStoreNode({ dataDir: copy });
      expect((await idsIn(connect(node.connectionString))).size).toBe(1);
      await node.stop();
      expect(await verifyDataFolder(copy)).toMatchObject({ problemCount: 0, snapshot: 'agrees' });
    }
  });
});

describe('a torn last write', () => {
  it(`at any place (every ${TORN_STEP} bytes) leaves the earlier events intact, and appends go on`, async () => {
    const folder = await temporaryFolder();
    const sizes: number[] = [];
    for (const batch of [events(2), events(2)]) {
      const node = await startEventStoreNode({ dataDir: folder });
      await connect(node.connectionString).appendToStream('order-1', batch);
      await node.stop();
      sizes.push(statSync(segmentsOf(folder)[0] as string).size);
    }
    rmSync(join(folder, 'index.snapshot'));
    const [whole, end] = sizes as [number, number];
    expect(end).toBeGreaterThan(whole + 300);
    const again = await temporaryFolder();
    for (let length = whole; length < end; length += TORN_STEP) {
      const isRead = (length - whole) % (10 * TORN_STEP) === 0;
      const copy = join(again, String(length));
      cpSync(folder, copy, { recursive: true });
      truncateSync(segmentsOf(copy)[0] as string, length);
      // A node is started each time, and read over the wire now and then.
      const torn = await startEventStoreNode({ dataDir: copy });
      if (isRead) {
        const reader = connect(torn.connectionString);
        expect(await collect(reader.readStream('order-1'))).toHaveLength(2);
        const next = await reader.appendToStream('order-1', events(1), { expectedRevision: 1n });
        expect(next.nextExpectedRevision).toBe(2n);
      }
      await torn.stop();
      const found = await verifyDataFolder(copy);
      expect(found).toMatchObject({ problemCount: 0, tornTail: undefined, events: isRead ? 4 : 3 });
      rmSync(copy, { recursive: true });
    }
  }, 120_000);
});

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // it has ended
  }
};
