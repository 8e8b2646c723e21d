import type { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Lease } from '../../src/platform/lease.ts';
import { redisOffers } from '../../src/platform/redis-offers.ts';
import { type FoldSnapshots, SnapshotReplaced } from '../../src/processes/fold-snapshots.ts';
import { redisHeartbeats } from '../../src/processes/health/heartbeats.ts';

const within = { timeout: 15_000, interval: 20 };

/** What every Redis does for heartbeats and for what processes offer. The prefix is not in use yet. */
export const describeRenewedRecords = (name: string, open: () => { readonly redis: Redis; readonly prefix: string }) =>
  describe(`${name} as store of heartbeats and offers`, () => {
    it('knows the last heartbeat of each agent of a tenant', async () => {
      const { redis, prefix } = open();
      const heartbeats = redisHeartbeats(redis, prefix);
      const bert = { atMs: 2, condition: 0.5 };
      await heartbeats.beat('acme', [{ agentId: 'anna' }], 1);
      await heartbeats.beat('acme', [{ agentId: 'bert', signs: { cpu: 0.95 } }, { agentId: 'carl' }], 2);
      await heartbeats.beat('acme', [{ agentId: 'anna', signs: { load: 1 } }], 3);
      await heartbeats.beat('acme', [], 4);
      expect(await heartbeats.last('acme')).toEqual(
        new Map([
          ['anna', { atMs: 3, condition: 1 }],
          ['bert', bert],
          ['carl', { atMs: 2, condition: 1 }],
        ]),
      );
      await heartbeats.beat('acme', [{ agentId: 'anna', signs: { load: 0.2, memory: 0.4 } }], 3);
      expect(await heartbeats.loads('acme')).toEqual(
        new Map([
          ['anna', 0.4],
          ['bert', 0.95],
        ]),
      );
      await heartbeats.forget('acme', 'carl');
      await heartbeats.forget('acme', 'anna');
      expect(await heartbeats.last('acme')).toEqual(new Map([['bert', bert]]));
      expect(await heartbeats.last('other')).toEqual(new Map());
      expect(await heartbeats.loads('acme')).toEqual(new Map([['bert', 0.95]]));
    });

    it('knows what is offered until it is withdrawn, or not renewed', async () => {
      const { redis, prefix } = open();
      const offers = redisOffers(redis);
      const key = `${prefix}:offers`;
      const current = async () => [...(await offers.current(key))].sort();
      await offers.offer(key, ['a', 'b']);
      await offers.offer(key, []);
      expect(await current()).toEqual(['a', 'b']);
      await offers.withdraw(key, ['a']);
      expect(await current()).toEqual(['b']);
      const [seconds] = await redis.time();
      await redis.zadd(key, (Number(seconds) - 10) * 1_000, 'b', (Number(seconds) - 3_600) * 1_000, 'c');
      expect(await current()).toEqual([]);
      await offers.offer(key, ['b']);
      expect(await current()).toEqual(['b']);
    });
  });

export type Leases = {
  acquire(name: string, holder: string): Promise<Lease | undefined>;
  /** The holder then does nothing more: it is suspended. */
  acquireAndSleep(name: string, holder: string): Promise<Lease | undefined>;
};

/** What every store of leases does. */
export const describeLeases = (kind: string, open: () => Leases) =>
  describe(`${kind} as store of leases`, () => {
    const held: Lease[] = [];
    afterEach(() => Promise.all(held.splice(0).map((lease) => lease.release())));
    const keep = <T extends Lease | undefined>(lease: T): T => {
      if (lease) held.push(lease);
      return lease;
    };

    it('gives each name to one holder at a time, with an epoch that grows', async () => {
      const leases = open();
      const first = keep(await leases.acquire('x', 'a'));
      expect(await leases.acquire('x', 'b')).toBeUndefined();
      expect(keep(await leases.acquire('y', 'b'))).toBeDefined();
      expect(await first?.confirm()).toBe(true);
      const startedMs = first?.now() ?? Number.NaN;
      await vi.waitFor(() => expect(first?.now()).toBeGreaterThan(startedMs), within);
      await first?.release();
      const second = keep(await leases.acquire('x', 'b'));
      expect(second?.epoch).toBe((first?.epoch ?? 0n) + 1n);
      expect(second?.now()).toBeGreaterThan(startedMs);
      await first?.release();
      expect([await first?.confirm(), await second?.confirm()]).toEqual([false, true]);
      expect(await leases.acquire('x', 'c')).toBeUndefined();
    });

    it('gives it to another when its holder does not renew it', async () => {
      const leases = open();
      const first = await leases.acquireAndSleep('z', 'a');
      expect(first).toBeDefined();
      const second = await vi.waitFor(async () => {
        const lease = await leases.acquire('z', 'b');
        expect(lease).toBeDefined();
        return lease;
      }, within);
      expect(keep(second)?.epoch).toBe((first?.epoch ?? 0n) + 1n);
    });
  });

/** What every store of snapshots does. It starts empty. */
export const describeFoldSnapshots = (kind: string, open: () => FoldSnapshots) =>
  describe(`${kind} as store of snapshots`, () => {
    const fold = { name: 'pool:default', version: 2 };
    /** Beyond the whole numbers that JavaScript and JSON can hold. */
    const POSITION = 2n ** 60n + 1n;

    /** Written in full. */
    const full = { parts: [], basedOn: undefined };

    it('finds the last one again, with its position', async () => {
      const snapshots = open();
      await snapshots.save('default', fold, { position: 5n, state: { a: 1 }, ...full });
      await snapshots.save('default', fold, { position: POSITION, state: { a: 2 }, ...full });
      expect(await snapshots.load('default', fold)).toMatchObject({ position: POSITION, state: { a: 2 } });
    });

    it('finds its parts again, after others have changed or gone', async () => {
      const snapshots = open();
      const parts = [1, 2, 3].map((part) => ({ part, items: [{ name: `task ${part}` }] }));
      const basedOn = await snapshots.save('default', fold, { ...full, position: 5n, state: {}, parts });
      const changed = [
        { part: 2, items: [] },
        { part: 4, items: [{ name: 'new' }] },
      ];
      await snapshots.save('default', fold, { position: 6n, state: {}, parts: changed, basedOn });
      const found: unknown[] = [];
      for await (const part of (await snapshots.load('default', fold))?.parts ?? []) found.push(part);
      expect(found).toEqual([parts[0], parts[2], changed[1]]);
    });

    it('changes parts of no other one than that they belong to', async () => {
      const snapshots = open();
      const basedOn = await snapshots.save('default', fold, { ...full, position: 5n, state: {} });
      await snapshots.save('default', fold, { ...full, position: 6n, state: {} });
      const late = { position: 7n, state: {}, parts: [], basedOn };
      await expect(snapshots.save('default', fold, late)).rejects.toThrow(SnapshotReplaced);
    });

    it.each([
      ['tenant', 'other', fold],
      ['fold', 'default', { ...fold, name: 'health' }],
      ['version', 'default', { ...fold, version: 3 }],
    ])('does not find one of another %s', async (_, tenant, asked) => {
      const snapshots = open();
      await snapshots.save('default', fold, { position: 5n, state: {}, ...full });
      expect(await snapshots.load(tenant, asked)).toBeUndefined();
    });
  });
