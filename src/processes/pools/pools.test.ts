import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandsOver, type FakeClock, fakeClock, fakeIds } from '../../../test/support/fake-ports.ts';
import {
  type CountedFeed,
  countedFeed,
  type MemorySnapshots,
  memoryLease,
  memorySnapshots,
} from '../../../test/support/leading.ts';
import { deregisterAgent } from '../../commands/agent/deregister-agent.ts';
import { registerAgent } from '../../commands/agent/register-agent.ts';
import type { Commands } from '../../commands/context.ts';
import { startExecution } from '../../commands/execution/start-execution.ts';
import { cancelTask } from '../../commands/task/cancel-task.ts';
import { submitTask, submitTasks } from '../../commands/task/submit-task.ts';
import { publishWorkflow } from '../../commands/workflow/publish-workflow.ts';
import type { AttemptOffers } from '../../dispatch/queues/attempt-queue.ts';
import { SNAPSHOT_VERSION } from '../../domain/pool/ledger-snapshot.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import { LogFeed } from '../../eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { systemClock } from '../../platform/clock.ts';
import { createLogger } from '../../platform/logger.ts';
import { Assigner } from '../assigner/assigner.ts';
import { snapshotsFromBeginnings } from './beginnings.ts';
import { PoolRoom } from './pool-room.ts';
import { PoolWatch } from './pool-watch.ts';
import { ServedPools } from './served-pools.ts';
import { UnledPools } from './unled-pools.ts';

const TENANT = 'default';
const CALLER = { tenant: TENANT, actor: 'test' };
const logger = createLogger('silent');
const within = { timeout: 10_000, interval: 1 };

let clock: FakeClock;
let store: EventStore;
let feed: LogFeed;
let counted: CountedFeed;
let snapshots: MemorySnapshots;
let commands: Commands;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  clock = fakeClock();
  store = createMemoryEventStore({ clock });
  feed = await LogFeed.start({ store, clock: systemClock, logger });
  counted = countedFeed(feed);
  snapshots = memorySnapshots();
  commands = commandsOver(store, { clock });
});

afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
  await feed.stop();
});

const running = (run: (signal: AbortSignal) => Promise<void>) => {
  const stopping = new AbortController();
  const ended = run(stopping.signal);
  const stop = async () => {
    stopping.abort();
    await ended;
  };
  stops.push(stop);
  return stop;
};

const watching = (lease = memoryLease(systemClock)) => {
  const watch = new PoolWatch({
    tenant: TENANT,
    feed: counted,
    snapshots,
    acquireLease: () => lease.acquire(),
    clock,
    logger,
  });
  return { watch, stop: running((signal) => watch.run(signal)) };
};

const register = async (agentId: string, pool: string) =>
  expect(await registerAgent(commands, CALLER, { agentId, pool, capabilities: [{ name: 'work' }] })).toMatchObject({
    ok: true,
  });
const submit = async (pool: string, idempotencyKey?: string) => {
  const submitted = await submitTask(commands, { ...CALLER, idempotencyKey }, { capability: 'work', pool });
  if (!submitted.ok) throw new Error(submitted.rejection.reason);
  return submitted.value.id;
};
const pools = (watch: PoolWatch) => [...(watch.pools ?? [])].sort();

describe('watching the pools', () => {
  it('knows those with agents or open work, and tells when that changes', async () => {
    await register('a', 'x');
    const { watch } = watching();
    let told = 0;
    watch.onChange(() => {
      told += 1;
    });
    await expect.poll(() => pools(watch), within).toEqual(['x']);
    const taskId = await submit('y');
    await expect.poll(() => pools(watch), within).toEqual(['x', 'y']);
    await cancelTask(commands, CALLER, taskId, {});
    await deregisterAgent(commands, CALLER, 'a', {});
    await expect.poll(() => pools(watch), within).toEqual([]);
    expect(told).toBeGreaterThanOrEqual(3);
  });

  it('goes on from the snapshot that one of the processes has saved', async () => {
    await register('a', 'x');
    const lease = memoryLease(systemClock);
    const [one, two] = [watching(lease), watching(lease)];
    await expect.poll(() => [pools(one.watch), pools(two.watch)], within).toEqual([['x'], ['x']]);
    await Promise.all([one.stop(), two.stop()]);
    const saved = snapshots.saved.get(`${TENANT}/pools`);
    expect(saved?.position).toBe(await store.head());
    await submit('y');
    expect(pools(watching().watch)).toEqual([]);
    const { watch } = watching();
    await expect.poll(() => pools(watch), within).toEqual(['x', 'y']);
    expect(counted.readFrom.at(-1)).toBe(saved?.position);
  });
});

const queue: AttemptOffers = {
  offer: async () => {},
  ensureSentinel: async () => 'present',
  withdraw: async () => ({ kind: 'missing' }),
};

describe('a pool that comes into use', () => {
  it('is led from there: nothing before that is read, and no old snapshot', async () => {
    const { watch } = watching();
    await register('a', 'x');
    for (let count = 0; count < 50; count += 1) await submit('x');
    await expect.poll(() => pools(watch), within).toEqual(['x']);
    const old = { position: 0n, version: SNAPSHOT_VERSION, state: {}, token: 'old', parts: new Map() };
    snapshots.saved.set(`${TENANT}/pool:y`, old);
    const before = await store.head();
    await register('b', 'y');
    const taskId = await submit('y');
    await expect.poll(() => pools(watch), within).toEqual(['x', 'y']);
    const lease = memoryLease(systemClock);
    const assigner = new Assigner({
      tenant: TENANT,
      pool: 'y',
      store,
      feed: counted,
      commands,
      queue,
      snapshots: snapshotsFromBeginnings(snapshots, watch, 'y'),
      acquireLease: () => lease.acquire(),
      clock,
      ids: fakeIds(9),
      logger,
    });
    running((signal) => assigner.run(signal));
    const assigned = async () =>
      JSON.stringify(await store.readStream(`pool-${TENANT}.y`).then((all) => all.map(({ data }) => data)));
    await expect.poll(assigned, within).toContain(taskId);
    expect(counted.readFrom.at(-1)).toBe(before);
  });
});

describe('the pools that a process serves', () => {
  it('are those in use that it may serve, and for a minute those that were', async () => {
    const { watch } = watching();
    const any = new ServedPools({ watch, only: undefined, clock });
    const narrow = new ServedPools({ watch, only: ['x'], clock });
    running((signal) => any.run(signal));
    const taskId = await submit('x');
    await register('a', 'y');
    await expect.poll(() => [any.list, narrow.list, narrow.all], within).toEqual([['x', 'y'], ['x'], ['x', 'y']]);
    await cancelTask(commands, CALLER, taskId, {});
    await expect.poll(() => pools(watch), within).toEqual(['y']);
    expect(any.list).toEqual(['x', 'y']);
    const look = async () => {
      clock.advance(10_000);
      return any.list;
    };
    await expect.poll(look, within).toEqual(['y']);
  });
});

describe('pools without a leader', () => {
  it('are named when nobody has led them for a while', async () => {
    const { watch } = watching();
    const leaders = new Map([['x', 'somebody']]);
    const unled = new UnledPools({ watch, look: async () => ({ leaders }), clock, logger });
    running((signal) => unled.run(signal));
    await submit('x');
    await submit('y');
    await expect.poll(() => pools(watch), within).toEqual(['x', 'y']);
    expect(unled.list).toEqual([]);
    const look = async () => {
      clock.advance(1_000);
      return unled.list;
    };
    await expect.poll(look, within).toEqual(['y']);
    expect([unled.has('x'), unled.has('y')]).toEqual([false, true]);
    leaders.set('y', 'somebody');
    await expect.poll(look, within).toEqual([]);
  });
});

describe('when as many pools are in use as may be', () => {
  const limited = async (limit: number) => {
    const { watch } = watching();
    await register('a', 'x');
    await submit('y', 'first');
    await expect.poll(() => pools(watch), within).toEqual(['x', 'y']);
    commands = { ...commands, pools: new PoolRoom({ watch, clock, limit }) };
    return watch;
  };
  const refused = { code: 'BAD_USER_INPUT', issues: [{ pointer: '/pool', code: 'TOO_MANY_POOLS' }] };

  it('accepts work and agents for those, and refuses what would bring another into use', async () => {
    await limited(2);
    await register('b', 'y');
    await submit('x');
    const head = await store.head();
    await expect(submit('z')).rejects.toMatchObject(refused);
    await expect(submit('z')).rejects.toThrow('/pool: at most 2 pools');
    await expect(submit('z')).rejects.toThrow('"z"');
    await expect(register('c', 'z')).rejects.toMatchObject(refused);
    expect(await store.head()).toBe(head);
  });

  it('counts pools that were admitted just now', async () => {
    const watch = await limited(4);
    const items = ['p', 'q', 'r', 'p', 'x'].map((pool) => ({ capability: 'work', pool }));
    const outcome = await submitTasks(commands, CALLER, { tasks: items });
    expect(outcome.map(({ ok }) => ok)).toEqual([true, true, false, true, true]);
    await expect.poll(() => pools(watch), within).toEqual(['p', 'q', 'x', 'y']);
  });

  it('answers a repeat from the record, although the pool is no longer used', async () => {
    const watch = await limited(1);
    const taskId = await submit('y', 'first');
    await cancelTask(commands, CALLER, taskId, {});
    await expect.poll(() => pools(watch), within).toEqual(['x']);
    expect(await submit('y', 'first')).toBe(taskId);
    await expect(submit('y', 'second')).rejects.toMatchObject(refused);
  });

  it('refuses to start a workflow whose roles name another', async () => {
    await limited(2);
    const definition = (pool: string) => ({
      name: `in-${pool}`,
      version: '1.0.0',
      agents: { worker: { capability: 'work', pool } },
      tasks: [{ id: 'a', role: 'worker' }],
    });
    for (const pool of ['x', 'z']) await publishWorkflow(commands, CALLER, definition(pool));
    expect(await startExecution(commands, CALLER, { workflow: 'in-x' })).toMatchObject({ ok: true });
    await expect(startExecution(commands, CALLER, { workflow: 'in-z' })).rejects.toThrow('"z" would be one more');
  });
});
