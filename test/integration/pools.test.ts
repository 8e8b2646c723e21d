import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { registerAgent } from '../../src/commands/agent/register-agent.ts';
import type { Commands } from '../../src/commands/context.ts';
import { submitTask } from '../../src/commands/task/submit-task.ts';
import { poolStream } from '../../src/domain/ids.ts';
import type { EventStore } from '../../src/eventstore/event-store.ts';
import { LogFeed } from '../../src/eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../src/eventstore/memory-event-store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { acquireLease } from '../../src/platform/lease.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import { Assigner } from '../../src/processes/assigner/assigner.ts';
import { PoolAssigners } from '../../src/processes/assigner/pool-assigners.ts';
import { postgresPoolLeases, readPoolsLed } from '../../src/processes/assigner/pool-leases.ts';
import { postgresSnapshots } from '../../src/processes/fold-snapshots.ts';
import { snapshotsFromBeginnings } from '../../src/processes/pools/beginnings.ts';
import { PoolWatch } from '../../src/processes/pools/pool-watch.ts';
import { ServedPools } from '../../src/processes/pools/served-pools.ts';
import { UnledPools } from '../../src/processes/pools/unled-pools.ts';
import { commandsOver, fakeIds } from '../support/fake-ports.ts';
import { freshDatabase } from '../support/servers.ts';

const TENANT = 'default';
const LEASE_MS = 2_000;
const logger = createLogger('silent');
const caller = { tenant: TENANT, actor: 'test' };
const within = { timeout: 15_000, interval: 20 };
const queue = {
  offer: async () => {},
  ensureSentinel: async () => 'present' as const,
  withdraw: async () => ({ kind: 'missing' as const }),
};

let store: EventStore;
let feed: LogFeed;
let commands: Commands;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let reader: pg.Pool;
let processes: AssignerProcess[] = [];

/** What an assigner's process has, over a database and leases of its own. */
class AssignerProcess {
  readonly #database = createPool(database.url, 5, logger);
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;
  readonly assigners: PoolAssigners;
  readonly id: string;

  constructor(id: string, only?: readonly string[]) {
    this.id = id;
    const snapshots = postgresSnapshots(this.#database);
    const shared = { tenant: TENANT, feed, logger, clock: systemClock };
    const lease = { ttlMs: LEASE_MS, clock: systemClock, logger };
    const watch = new PoolWatch({
      ...shared,
      snapshots,
      acquireLease: () => acquireLease(this.#database, { ...lease, name: 'pools:default', holder: id }),
    });
    const served = new ServedPools({ watch, only, clock: systemClock });
    this.assigners = new PoolAssigners({
      pools: served,
      processId: id,
      leases: postgresPoolLeases({ ...lease, database: this.#database, tenant: TENANT, processId: id, only }),
      create: (pool, acquire) =>
        new Assigner({
          ...shared,
          pool,
          store,
          commands,
          queue,
          ids: fakeIds(processes.length + 1),
          snapshots: snapshotsFromBeginnings(snapshots, watch, pool),
          acquireLease: acquire,
        }),
      clock: systemClock,
      logger,
    });
    const { signal } = this.#stopping;
    this.#running = Promise.all([watch.run(signal), served.run(signal), this.assigners.run(signal)]);
    processes.push(this);
  }

  /** In the pools that it leads, sorted. */
  get leads(): string[] {
    const leading = this.assigners.list().filter(({ assigner }) => assigner.status().leading);
    return leading.map(({ pool }) => pool).sort();
  }

  /** As if it were killed: its leases are not released, and no longer renewed. */
  async kill(): Promise<void> {
    processes = processes.filter((other) => other !== this);
    await this.#database.end();
    this.#stopping.abort();
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#database.end();
  }
}

const register = (pool: string) =>
  registerAgent(commands, caller, { agentId: `agent-${pool}`, pool, capabilities: [{ name: 'work' }] });

const isAssigned = async (taskId: string, pool: string): Promise<boolean> =>
  JSON.stringify((await store.readStream(poolStream(TENANT, pool))).map(({ data }) => data)).includes(taskId);

/** Milliseconds from the submission to a pool until its assignment. */
const assigned = async (pool: string): Promise<number> => {
  const startedAt = systemClock.monotonic();
  const submitted = await submitTask(commands, caller, { capability: 'work', pool });
  if (!submitted.ok) throw new Error(submitted.rejection.reason);
  await expect.poll(() => isAssigned(submitted.value.id, pool), within).toBe(true);
  return systemClock.monotonic() - startedAt;
};

beforeAll(async () => {
  database = await freshDatabase();
  reader = new pg.Pool({ connectionString: database.url, max: 1 });
});
afterAll(async () => {
  await reader.end();
  await database.drop();
});
beforeEach(async () => {
  store = createMemoryEventStore({ clock: systemClock });
  feed = await LogFeed.start({ store, clock: systemClock, logger });
  commands = commandsOver(store, { clock: systemClock });
});
afterEach(async () => {
  await Promise.all(processes.splice(0).map((process) => process.stop()));
  await feed.stop();
  await reader.query('TRUNCATE baton.leases, baton.fold_snapshots');
});

it('pools are led by default, spread over the processes, and taken over from one that was killed', async () => {
  const one = new AssignerProcess('one');
  for (const pool of ['a', 'b', 'c']) await register(pool);
  await expect.poll(() => one.leads, within).toEqual(['a', 'b', 'c']);

  const two = new AssignerProcess('two');
  const load = () => [one.leads.length, two.leads.length].sort();
  await expect.poll(load, within).toEqual([1, 2]);
  await register('d');
  await expect.poll(load, within).toEqual([2, 2]);

  // New pools are led at once. The fastest of three counts: the machine may be busy.
  const delays: number[] = [];
  for (const pool of ['e', 'f', 'g']) {
    await register(pool);
    delays.push(await assigned(pool));
  }
  expect(Math.min(...delays)).toBeLessThan(1_000);

  await two.kill();
  await expect.poll(() => one.leads, within).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  for (const pool of ['a', 'd', 'g']) await assigned(pool);
});

it('a process whose pools are listed leads only these, and it is known which nobody leads', async () => {
  const narrow = new AssignerProcess('narrow', ['a', 'b', 'unused']);
  for (const pool of ['a', 'b', 'c']) await register(pool);
  await expect.poll(() => narrow.leads, within).toEqual(['a', 'b']);
  const unled = new UnledPools({
    watch: { pools: new Set(['a', 'b', 'c']) },
    look: () => readPoolsLed(reader, TENANT),
    clock: systemClock,
    logger,
  });
  const stopping = new AbortController();
  const looking = unled.run(stopping.signal);
  await expect.poll(() => unled.list, within).toEqual(['c']);

  const any = new AssignerProcess('any');
  await expect.poll(() => any.leads, within).toContain('c');
  await expect.poll(() => unled.list, within).toEqual([]);
  await expect.poll(() => [...narrow.leads, ...any.leads].sort(), within).toEqual(['a', 'b', 'c']);
  expect(narrow.leads).not.toContain('c');
  await narrow.stop();
  processes = [any];
  await expect.poll(() => any.leads, within).toEqual(['a', 'b', 'c']);
  stopping.abort();
  await looking;
});
