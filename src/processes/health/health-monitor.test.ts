import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { commandsOver, type FakeClock, fakeClock } from '../../../test/support/fake-ports.ts';
import {
  type CountedFeed,
  countedFeed,
  type MemorySnapshots,
  memoryLease,
  memorySnapshots,
} from '../../../test/support/leading.ts';
import { reportAgentReady } from '../../commands/agent/end-warm-up.ts';
import { registerAgent, registerFunctionAgent } from '../../commands/agent/register-agent.ts';
import type { Commands } from '../../commands/context.ts';
import { RegisterAgentInput } from '../../domain/agent/commands.ts';
import { agentStream } from '../../domain/ids.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import { LogFeed } from '../../eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { systemClock } from '../../platform/clock.ts';
import { createLogger } from '../../platform/logger.ts';
import type { FunctionOffer, FunctionOffers } from '../functions/function-offers.ts';
import { createHealthMonitor } from './health-monitor.ts';
import type { LastBeat } from './heartbeats.ts';

const TENANT = 'default';
const CALLER = { tenant: TENANT, actor: 'test' };
const INTERVAL_MS = 10_000;
const logger = createLogger('silent');
const within = { timeout: 10_000, interval: 1 };

let clock: FakeClock;
let store: EventStore;
let feed: LogFeed;
let counted: CountedFeed;
let snapshots: MemorySnapshots;
let lease: ReturnType<typeof memoryLease>;
let commands: Commands;
let beats: Map<string, LastBeat>;
/** Redis cannot be reached. */
let unreachable: boolean;
const running = new Set<() => Promise<void>>();

beforeEach(async () => {
  clock = fakeClock();
  store = createMemoryEventStore({ clock });
  feed = await LogFeed.start({ store, clock: systemClock, logger });
  counted = countedFeed(feed);
  snapshots = memorySnapshots();
  lease = memoryLease(clock);
  commands = commandsOver(store, { clock });
  beats = new Map();
  unreachable = false;
  onRead = () => {};
  offered = [];
});

afterEach(async () => {
  await Promise.all([...running].map((stop) => stop()));
  await feed.stop();
});

let onRead: () => void;

/** Offers of function agents, as Redis keeps them. */
let offered: FunctionOffer[];
const offers: FunctionOffers = {
  offer: async (_, made) => void offered.push(...made),
  withdraw: async () => {},
  current: async () => {
    if (unreachable) throw new Error('Redis is unreachable');
    return [...offered];
  },
};

const heartbeats = {
  beat: async () => {},
  last: async () => {
    onRead();
    if (unreachable) throw new Error('Redis is unreachable');
    return new Map(beats);
  },
  loads: async () => new Map<string, number>(),
  forget: async (_: string, agentId: string) => {
    beats.delete(agentId);
  },
};

const monitor = async () => {
  const stopping = new AbortController();
  const leader = createHealthMonitor({
    tenant: TENANT,
    feed: counted,
    commands,
    heartbeats,
    offers,
    snapshots,
    acquireLease: () => lease.acquire(),
    clock,
    logger,
  });
  const ended = leader.run(stopping.signal);
  const stop = async () => {
    running.delete(stop);
    stopping.abort();
    await ended;
  };
  running.add(stop);
  await vi.waitFor(() => expect(leader.status().leading).toBe(true), within);
  return stop;
};

const register = async (agentId: string): Promise<void> => {
  const capabilities = [{ name: 'work', version: '1.0.0' }];
  await registerAgent(commands, CALLER, { agentId, capabilities, heartbeatIntervalMs: INTERVAL_MS });
};
const beat = (agentId: string, condition = 1): void => {
  beats.set(agentId, { atMs: clock.now(), condition });
};

/** Second by second, with the checks that fall due. */
const pass = async (seconds: number, eachSecond: () => void = () => {}): Promise<void> => {
  for (let second = 0; second < seconds; second += 1) {
    eachSecond();
    clock.advance(1_000);
    for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  }
};

const history = async (agentId: string): Promise<string[]> =>
  (await store.readStream(agentStream(TENANT, agentId))).map(({ type, data }) =>
    type === 'AgentHealthChanged' ? (data as { to: string }).to : type,
  );

describe('the health monitor', () => {
  it('records each transition of a silent agent once, and deregisters it at last', async () => {
    await register('a');
    await monitor();
    await pass(120);
    expect(await history('a')).toEqual(['AgentRegistered', 'degraded', 'unhealthy', 'AgentDeregistered']);
  });

  it('gives up the calls of an agent that missed three heartbeats, not of one that reports trouble', async () => {
    for (const agentId of ['silent', 'sick']) await register(agentId);
    await monitor();
    await pass(35, () => beat('sick', 0.2));
    const calls = async (agentId: string) => {
      const events = await store.readStream(agentStream(TENANT, agentId));
      return events.flatMap(({ data }) => {
        const { to, callsLost } = data as { to?: string; callsLost?: true };
        return to === undefined ? [] : [`${to}${callsLost ? ', calls lost' : ''}`];
      });
    };
    expect(await calls('silent')).toEqual(['degraded', 'unhealthy, calls lost']);
    expect(await calls('sick')).toEqual(['unhealthy']);
    await pass(75);
    expect((await store.readStream(agentStream(TENANT, 'silent'))).at(-1)).toMatchObject({
      type: 'AgentDeregistered',
      data: { callsLost: true },
    });
  });

  it('gives up the calls of an agent that was unhealthy before it fell silent', async () => {
    await register('a');
    await monitor();
    await pass(5, () => beat('a', 0.2));
    await pass(35);
    const events = await store.readStream(agentStream(TENANT, 'a'));
    expect(events.at(-1)).toMatchObject({ data: { from: 'unhealthy', to: 'unhealthy', callsLost: true } });
    expect(events).toHaveLength(3);
  });

  it('ends a warm-up when its time is up, and not before', async () => {
    const capabilities = [{ name: 'work', version: '1.0.0' }];
    await registerAgent(commands, CALLER, { agentId: 'slow', capabilities, warmUpMs: 10_000 });
    await registerAgent(commands, CALLER, { agentId: 'fast', capabilities, warmUpMs: 10_000 });
    await monitor();
    await reportAgentReady(commands, CALLER, 'fast', {});
    await pass(9);
    expect(await history('slow')).toEqual(['AgentRegistered']);
    await pass(3);
    const last = async (agentId: string) => (await store.readStream(agentStream(TENANT, agentId))).at(-1);
    expect(await last('slow')).toMatchObject({ type: 'AgentWarmUpEnded', data: { by: 'limit' } });
    expect(await last('fast')).toMatchObject({ type: 'AgentWarmUpEnded', data: { by: 'agent' } });
  });

  it('records nothing for an agent that sends its heartbeats', async () => {
    await register('a');
    await monitor();
    await pass(120, () => beat('a'));
    expect(await history('a')).toEqual(['AgentRegistered']);
  });

  it('records that heartbeats are back', async () => {
    await register('a');
    await monitor();
    await pass(25);
    await pass(2, () => beat('a'));
    expect(await history('a')).toEqual(['AgentRegistered', 'degraded', 'healthy']);
  });

  it('records what heartbeats report, but not each change within the limits', async () => {
    await register('a');
    await monitor();
    await pass(30, () => beat('a', 0.75));
    await pass(3, () => beat('a', 0.6));
    await pass(30, () => beat('a', 0.75));
    await pass(3, () => beat('a', 0.2));
    await pass(3, () => beat('a'));
    expect(await history('a')).toEqual(['AgentRegistered', 'degraded', 'unhealthy', 'healthy']);
    const [, degraded] = await store.readStream(agentStream(TENANT, 'a'));
    expect(degraded?.data).toMatchObject({ reason: 'its heartbeats report a health of 0.60' });
  });

  it('remembers a heartbeat that Redis lost', async () => {
    await register('a');
    await monitor();
    await pass(30, () => beat('a'));
    beats.clear();
    await pass(15);
    expect(await history('a')).toEqual(['AgentRegistered']);
  });

  it('counts a failure of Redis as a sign of life of every agent', async () => {
    await register('a');
    await monitor();
    await pass(15);
    unreachable = true;
    await pass(60);
    unreachable = false;
    await pass(15);
    expect(await history('a')).toEqual(['AgentRegistered']);
    await pass(10);
    expect(await history('a')).toEqual(['AgentRegistered', 'degraded']);
  });
});

describe('a health monitor that was not listening', () => {
  const HOUR_MS = 3_600_000;

  it('deregisters no agent when it wakes from a suspension', async () => {
    await register('a');
    await monitor();
    await pass(15);
    clock.advance(HOUR_MS);
    await pass(15);
    expect(await history('a')).toEqual(['AgentRegistered']);
    await pass(10);
    expect(await history('a')).toEqual(['AgentRegistered', 'degraded']);
  });

  it('deregisters no agent when it was suspended after reading the heartbeats', async () => {
    await register('a');
    await monitor();
    await pass(15);
    onRead = () => {
      onRead = () => {};
      clock.advance(HOUR_MS);
    };
    await pass(15);
    expect(await history('a')).toEqual(['AgentRegistered']);
  });

  it('is not misled when the wall clock is changed', async () => {
    await register('a');
    await monitor();
    await pass(5, () => beat('a'));
    clock.step(HOUR_MS);
    await pass(5);
    expect(await history('a')).toEqual(['AgentRegistered']);
    clock.step(-2 * HOUR_MS);
    await pass(25);
    expect(await history('a')).toEqual(['AgentRegistered', 'degraded']);
  });

  it('records nothing more once it has lost its lease', async () => {
    for (const agentId of ['a', 'b']) await register(agentId);
    await monitor();
    await pass(19);
    const { append } = store;
    store.append = async (...args) => {
      lease.expire();
      return append(...args);
    };
    await pass(4);
    expect(await history('a')).toEqual(['AgentRegistered', 'degraded']);
    expect(await history('b')).toEqual(['AgentRegistered']);
  });
});

describe('a function agent', () => {
  const CALLER_INPUT = { agentId: 'f', capabilities: [{ name: 'work' }], maxConcurrency: 2, replace: true };
  const register = () => registerFunctionAgent(commands, CALLER, RegisterAgentInput.parse(CALLER_INPUT));
  const offer = (processId: string, places = 2): FunctionOffer => ({ agentId: 'f', processId, places });

  it('stays registered as long as a process offers it', async () => {
    offered = [offer('one')];
    await register();
    await monitor();
    await pass(60);
    expect(await history('f')).toEqual(['AgentRegistered']);
    offered = [];
    await pass(2);
    expect(await history('f')).toEqual(['AgentRegistered']);
    await pass(2);
    expect(await history('f')).toEqual(['AgentRegistered', 'AgentDeregistered']);
  });

  it('has the capacity of all processes that offer it', async () => {
    offered = [offer('one'), offer('two', 5)];
    await register();
    await monitor();
    await pass(2);
    expect(await commands.agents.load(agentStream(TENANT, 'f'))).toMatchObject({ profile: { maxConcurrency: 7 } });
    offered = [offer('two', 5)];
    await pass(2);
    expect(await commands.agents.load(agentStream(TENANT, 'f'))).toMatchObject({ profile: { maxConcurrency: 5 } });
    expect(await history('f')).toEqual(['AgentRegistered', 'AgentReconfigured', 'AgentReconfigured']);
  });

  it('survives failures of Redis, and a suspension of the monitor', async () => {
    await register();
    await monitor();
    unreachable = true;
    await pass(60);
    unreachable = false;
    await pass(1);
    offered = [offer('one')];
    await pass(5);
    offered = [];
    clock.advance(3_600_000);
    await pass(1);
    offered = [offer('one')];
    await pass(5);
    expect(await history('f')).toEqual(['AgentRegistered']);
  });
});

describe('a change of the leading health monitor', () => {
  it('reads the log from the position of the snapshot on, and goes on watching', async () => {
    for (const agentId of ['a', 'b', 'c']) await register(agentId);
    const stop = await monitor();
    await pass(1);
    await stop();
    const left = await store.head();
    await register('d');
    const before = counted.events();

    await monitor();
    expect(counted.readFrom).toEqual([undefined, left]);
    expect(counted.events() - before).toBe(1);
    await pass(25, () => beat('b'));
    expect(await history('a')).toEqual(['AgentRegistered', 'degraded']);
    expect(await history('b')).toEqual(['AgentRegistered']);
    expect(await history('d')).toEqual(['AgentRegistered', 'degraded']);
  });

  it('counts as a sign of life of every agent', async () => {
    await register('a');
    const stop = await monitor();
    await pass(15);
    await stop();
    clock.advance(3_600_000);
    await monitor();
    await pass(15);
    expect(await history('a')).toEqual(['AgentRegistered']);
  });

  it('knows the health that the previous one recorded', async () => {
    await register('a');
    const stop = await monitor();
    await pass(25);
    await stop();
    await monitor();
    await pass(5);
    expect(await history('a')).toEqual(['AgentRegistered', 'degraded', 'healthy']);
  });
});
