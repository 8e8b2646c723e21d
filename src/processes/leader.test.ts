import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { commandsOver, type FakeClock, fakeClock } from '../../test/support/fake-ports.ts';
import {
  type CountedFeed,
  countedFeed,
  type MemorySnapshots,
  memoryLease,
  memorySnapshots,
} from '../../test/support/leading.ts';
import { appendFromNewerBuild } from '../../test/support/newer-build.ts';
import { registerAgent } from '../commands/agent/register-agent.ts';
import type { Commands } from '../commands/context.ts';
import type { AgentEvent } from '../domain/agent/events.ts';
import { agentStream } from '../domain/ids.ts';
import type { EventStore, StoredEvent } from '../eventstore/event-store.ts';
import { LogFeed } from '../eventstore/log-feed.ts';
import { createMemoryEventStore } from '../eventstore/memory-event-store.ts';
import { systemClock } from '../platform/clock.ts';
import { createLogger } from '../platform/logger.ts';
import { type SnapshotPart, SnapshotReplaced } from './fold-snapshots.ts';
import { type Acted, Fenced, type Fold, type FoldDefinition, Leader, type LeaderDeps, type Term } from './leader.ts';
import { ParkedStreams } from './parked-streams.ts';

const TENANT = 'default';
const CALLER = { tenant: TENANT, actor: 'test' };
const logger = createLogger('silent');
const within = { timeout: 10_000, interval: 1 };

/** Remembers every agent that registered, and has a timer. */
class Roll implements Fold {
  readonly names: string[];
  readonly halted: string[] = [];
  dueMs: number | undefined;

  constructor(snapshot?: { readonly names: string[] }) {
    this.names = [...(snapshot?.names ?? [])];
  }
  evolve(event: AgentEvent): void {
    this.names.push(event.data.agentId);
  }
  snapshot() {
    return { names: [...this.names] };
  }
  nextDueMs() {
    return this.dueMs;
  }
  halt(stream: string) {
    this.halted.push(stream);
  }
}

const rollOf = (version = 1): FoldDefinition<Roll> => ({
  name: 'roll',
  version,
  start: (snapshot) => new Roll(snapshot),
  wants: ({ stream }) => stream.startsWith('agent-'),
});

let clock: FakeClock;
let store: EventStore;
let feed: LogFeed;
let counted: CountedFeed;
let snapshots: MemorySnapshots;
let lease: ReturnType<typeof memoryLease>;
let commands: Commands;
const running = new Set<() => Promise<void>>();

beforeEach(async () => {
  clock = fakeClock();
  store = createMemoryEventStore({ clock: systemClock });
  feed = await LogFeed.start({ store, clock: systemClock, logger });
  counted = countedFeed(feed);
  snapshots = memorySnapshots();
  lease = memoryLease(clock);
  commands = commandsOver(store);
});

afterEach(async () => {
  await Promise.all([...running].map((stop) => stop()));
  await feed.stop();
});

const register = async (...agentIds: readonly string[]): Promise<void> => {
  for (const agentId of agentIds)
    await registerAgent(commands, CALLER, { agentId, capabilities: [{ name: 'work', version: '1.0.0' }] });
};

type Options = Partial<LeaderDeps> & { fold?: FoldDefinition<Roll>; onFenced?: () => void };

/** What each act saw; `folds` has one fold per term. */
const lead = (termOf: (roll: Roll, acts: string[][]) => Partial<Term> = () => ({}), options: Options = {}) => {
  const stopping = new AbortController();
  const acts: string[][] = [];
  const folds: Roll[] = [];
  const { fold = rollOf(), onFenced = () => {}, ...deps } = options;
  const begin = (roll: Roll): Term => {
    folds.push(roll);
    const act = (): Acted => {
      acts.push([...roll.names]);
      return 'something';
    };
    return { act, ...termOf(roll, acts) };
  };
  const leader = new Leader(
    { fold, begin, onFenced },
    { tenant: TENANT, feed: counted, snapshots, acquireLease: () => lease.acquire(), clock, logger, ...deps },
  );
  const ended = leader.run(stopping.signal);
  const stop = async () => {
    running.delete(stop);
    stopping.abort();
    await ended;
  };
  running.add(stop);
  return { leader, acts, folds, stop };
};

type Led = ReturnType<typeof lead>;

const caughtUp = ({ leader }: Led): Promise<void> =>
  vi.waitFor(() => expect(leader.status().leading).toBe(true), within);
const someTurns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
};
/** Time goes on in steps, so that what one timer starts can set the next. */
const pass = async (ms: number, stepMs = 100): Promise<void> => {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(stepMs);
    await someTurns();
  }
};

describe('a leader', () => {
  it('acts once it has caught up, and on every event after that', async () => {
    await register('a', 'b');
    const led = lead();
    await vi.waitFor(() => expect(led.acts).toEqual([['a', 'b']]), within);
    await register('c');
    await vi.waitFor(() => expect(led.acts.at(-1)).toEqual(['a', 'b', 'c']), within);
    expect(led.leader.status().position).toBe(await store.head());
  });

  it('decides nothing once its lease has expired, even if no timer has fired yet', async () => {
    const said: boolean[] = [];
    const led = lead((roll) => {
      roll.dueMs = clock.now() + 1_000;
      return { chores: [{ everyMs: 1_000, run: async (leads) => void said.push(leads()) }] };
    });
    await caughtUp(led);
    await someTurns();
    const acts = led.acts.length;
    lease.expire();
    await lease.acquire(); // by another process
    await pass(10_000, 1_000);
    expect(led.acts).toHaveLength(acts);
    expect(said).toEqual([]);
    expect(led.leader.status().leading).toBe(false);
  });

  it('lets its periodic work see that its lease was lost', async () => {
    const said: boolean[] = [];
    const run = async (leads: () => boolean): Promise<void> => {
      said.push(leads());
      lease.expire();
      await lease.acquire();
      said.push(leads());
    };
    const led = lead(() => ({ chores: [{ everyMs: 1_000, run }] }));
    await caughtUp(led);
    await pass(3_000, 1_000);
    expect(said).toEqual([true, false]);
  });

  it('acts only from the position that its term names', async () => {
    await register('a');
    const actsFrom = ((await store.head()) ?? 0n) + 1n;
    const led = lead(() => ({ raiseFence: async () => actsFrom }));
    await vi.waitFor(() => expect(led.folds[0]?.names).toEqual(['a']), within);
    await someTurns();
    expect(led.leader.status().leading).toBe(false);
    await register('b');
    await vi.waitFor(() => expect(led.acts).toEqual([['a', 'b']]), within);
  });

  it('takes over before its first act', async () => {
    const order: string[] = [];
    const led = lead(() => ({
      takeOver: async () => {
        await nextTurn();
        order.push('takeOver');
      },
      act: () => {
        order.push('act');
        return 'nothing';
      },
    }));
    await caughtUp(led);
    await vi.waitFor(() => expect(order.slice(0, 2)).toEqual(['takeOver', 'act']), within);
  });

  it('acts when a timer of its fold is due and not before', async () => {
    const led = lead((roll, acts) => ({
      act: (nowMs) => {
        if (roll.dueMs === undefined) roll.dueMs = nowMs + 1_000;
        else if (nowMs >= roll.dueMs) {
          acts.push(['due']);
          roll.dueMs = nowMs + 1_000_000;
        }
        return 'nothing';
      },
    }));
    await caughtUp(led);
    await vi.waitFor(() => expect(led.folds[0]?.dueMs).toBeDefined(), within);
    await pass(900);
    expect(led.acts).toEqual([]);
    await pass(100);
    expect(led.acts).toEqual([['due']]);
  });

  it('keeps a minimum pause after an act that did something, and folds new events meanwhile', async () => {
    await register('a');
    const led = lead(() => ({ actGapMs: 12 }));
    await vi.waitFor(() => expect(led.acts).toEqual([['a']]), within);
    await pass(12, 12);
    const before = led.acts.length;
    await register('b');
    await vi.waitFor(() => expect(led.acts).toHaveLength(before + 1), within);
    await register('c', 'd');
    await someTurns();
    expect(led.acts).toHaveLength(before + 1);
    await pass(12, 12);
    expect(led.acts.slice(before)).toEqual([
      ['a', 'b'],
      ['a', 'b', 'c', 'd'],
    ]);
  });

  it('lets timers and I/O have their turn while it acts again and again', async () => {
    let acts = 0;
    let turned = false;
    lead(() => ({
      act: () => {
        acts += 1;
        if (acts === 1) setImmediate(() => setImmediate(() => (turned = true)));
        return turned || acts > 1_000_000 ? 'nothing' : 'more';
      },
    }));
    await vi.waitFor(() => expect(turned).toBe(true), within);
    expect(acts).toBeLessThan(1_000_000);
  });

  it('does not wait for an event when there is more to do', async () => {
    let left = 3;
    const led = lead((_, acts) => ({
      act: () => {
        acts.push([]);
        left -= 1;
        return left > 0 ? 'more' : 'nothing';
      },
    }));
    await vi.waitFor(() => expect(led.acts).toHaveLength(3), within);
  });

  it('does not fold events that its term excludes', async () => {
    await register('a', 'b');
    const led = lead(() => ({ admits: ({ data }) => (data as { agentId: string }).agentId !== 'a' }));
    await vi.waitFor(() => expect(led.acts).toEqual([['b']]), within);
  });

  it('runs its periodic work while it leads', async () => {
    let done = 0;
    const run = async (): Promise<void> => {
      done += 1;
    };
    const led = lead(() => ({ chores: [{ everyMs: 100, run }] }));
    await caughtUp(led);
    await pass(300);
    expect(done).toBe(3);
    await led.stop();
    await pass(300);
    expect(done).toBe(3);
  });
});

describe('a leader with a fence of its own', () => {
  it('raises it only when it has caught up', async () => {
    await register('a', 'b');
    const known: string[][] = [];
    const led = lead((roll) => ({
      raiseFence: async () => {
        known.push([...roll.names]);
        return (await store.head()) ?? 0n;
      },
    }));
    await caughtUp(led);
    await vi.waitFor(() => expect(led.acts).toEqual([['a', 'b']]), within);
    expect(known).toEqual([['a', 'b']]);
  });
});

describe('a change of leader', () => {
  it('reads the log from the position of the snapshot on', async () => {
    await register('a', 'b', 'c');
    const first = lead();
    await caughtUp(first);
    await first.stop();
    const head = await store.head();
    await register('d');
    const before = counted.events();

    const second = lead();
    await vi.waitFor(() => expect(second.acts[0]).toEqual(['a', 'b', 'c', 'd']), within);
    expect(counted.readFrom).toEqual([undefined, head]);
    expect(counted.events() - before).toBe(1);
  });

  it('reads the whole log when the snapshot is of another version', async () => {
    await register('a');
    const first = lead();
    await caughtUp(first);
    await first.stop();
    const second = lead(undefined, { fold: rollOf(2) });
    await vi.waitFor(() => expect(second.acts[0]).toEqual(['a']), within);
    expect(counted.readFrom).toEqual([undefined, undefined]);
  });

  it('reads the whole log when the snapshot cannot be loaded, and survives that it cannot be saved', async () => {
    await register('a');
    const gone = async (): Promise<never> => {
      throw new Error('Postgres is unreachable');
    };
    const led = lead(undefined, { snapshots: { load: gone, save: gone } });
    await vi.waitFor(() => expect(led.acts[0]).toEqual(['a']), within);
    await led.stop();
  });

  it('waits until the previous leader has left', async () => {
    const first = lead();
    await caughtUp(first);
    const second = lead();
    await pass(2_000);
    expect(second.folds).toHaveLength(0);
    await first.stop();
    await pass(500);
    await caughtUp(second);
  });

  it('happens when the lease is lost: its former holder no longer acts', async () => {
    const first = lead();
    await caughtUp(first);
    lease.lose();
    await vi.waitFor(() => expect(first.leader.status().leading).toBe(false), within);
    const second = lead();
    await caughtUp(second);
    const acts = first.acts.length;
    await register('a');
    await vi.waitFor(() => expect(second.acts.at(-1)).toEqual(['a']), within);
    expect(first.acts).toHaveLength(acts);
  });
});

describe('a snapshot', () => {
  it('is taken between two acts, never during one', async () => {
    let finish = (): void => {};
    const acting = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const led = lead((roll) => ({
      act: async () => {
        roll.names.push('not in the log yet');
        await acting;
        roll.names.splice(roll.names.indexOf('not in the log yet'), 1);
        return 'nothing' as const;
      },
    }));
    await register('a');
    await caughtUp(led);
    await pass(60_000, 10_000);
    expect(snapshots.saved.size).toBe(0);
    finish();
    await vi.waitFor(() => expect(snapshots.saved.get('default/roll')?.state).toEqual({ names: ['a'] }), within);
  });

  it('is not taken after an act that failed: the next term starts from the log', async () => {
    await register('a');
    let failures = 1;
    const led = lead((roll, acts) => ({
      act: () => {
        if (failures > 0) {
          failures -= 1;
          roll.names.push('not in the log');
          throw new Error('the append failed');
        }
        acts.push([...roll.names]);
        return 'nothing';
      },
    }));
    await vi.waitFor(() => expect(failures).toBe(0), within);
    await someTurns();
    expect(snapshots.saved.size).toBe(0);
    await pass(500);
    await vi.waitFor(() => expect(led.acts).toEqual([['a']]), within);
    expect(counted.readFrom).toEqual([undefined, undefined]);
  });

  it('is taken every 100,000 events, also while it catches up', async () => {
    const event = { stream: 'task-default.t', type: 'TaskSubmitted' } as StoredEvent;
    const long: LeaderDeps['feed'] = {
      async *read({ signal }) {
        for (let batch = 1n; batch <= 150n; batch += 1n) {
          yield { events: Array.from({ length: 1_000 }, () => event), position: batch, caughtUp: false };
          await nextTurn();
        }
        while (!signal.aborted) await nextTurn();
      },
    };
    lead(undefined, { feed: long });
    await vi.waitFor(() => expect(snapshots.saved.get('default/roll')?.position).toBeGreaterThanOrEqual(100n), within);
  });

  it('is not taken again while nothing has changed', async () => {
    await register('a');
    let saves = 0;
    const save: MemorySnapshots['save'] = async () => `writing ${++saves}`;
    const led = lead(undefined, { snapshots: { ...snapshots, save } });
    await caughtUp(led);
    await pass(90_000, 30_000);
    await led.stop();
    expect(saves).toBe(1);
  });

  describe('of a fold with parts', () => {
    /** Every name is a part. */
    class Rolls extends Roll {
      readonly #changed = new Set<string>();
      override evolve(event: AgentEvent): void {
        super.evolve(event);
        this.#changed.add(event.data.agentId);
      }
      override snapshot() {
        return { names: [] };
      }
      takeParts(which: 'changed' | 'all') {
        const taken = which === 'all' ? this.names : [...this.#changed];
        this.#changed.clear();
        return taken.map((name) => ({ part: name.charCodeAt(0), items: [name] }));
      }
      restorePart({ items }: SnapshotPart) {
        this.names.push(...(items as string[]));
      }
    }
    const fold = { ...rollOf(), start: () => new Rolls() };
    const saves: { readonly parts: readonly unknown[]; readonly isFull: boolean }[] = [];
    let broken = false;
    const watched = (): MemorySnapshots => ({
      ...snapshots,
      save: async (tenant, id, snapshot) => {
        saves.push({ parts: snapshot.parts.flatMap(({ items }) => items), isFull: snapshot.basedOn === undefined });
        if (broken) throw new Error('Postgres is away');
        return snapshots.save(tenant, id, snapshot);
      },
    });

    beforeEach(() => {
      saves.length = 0;
      broken = false;
    });

    const registerAndSave = async (name: string): Promise<void> => {
      const before = saves.length;
      await register(name);
      await someTurns();
      await pass(30_000, 10_000);
      await vi.waitFor(() => expect(saves.length).toBeGreaterThan(before), within);
      await someTurns();
    };

    it('is written in full once, and then only where it changed; the next leader goes on with it', async () => {
      const first = lead(undefined, { fold, snapshots: watched() });
      await caughtUp(first);
      await registerAndSave('a');
      await registerAndSave('b');
      await first.stop();
      const second = lead(undefined, { fold, snapshots: watched() });
      await caughtUp(second);
      expect(second.acts.at(-1)).toEqual(['a', 'b']);
      await registerAndSave('c');
      expect(saves).toEqual([
        { parts: ['a'], isFull: true },
        { parts: ['b'], isFull: false },
        { parts: ['c'], isFull: false },
      ]);
    });

    it('is written in full after one that could not be written, or that another leader has replaced', async () => {
      const led = lead(undefined, { fold, snapshots: watched() });
      await caughtUp(led);
      await registerAndSave('a');
      broken = true;
      await registerAndSave('b');
      broken = false;
      await registerAndSave('c');
      await snapshots.save(TENANT, fold, { position: 0n, state: {}, parts: [], basedOn: undefined });
      await registerAndSave('d');
      await registerAndSave('e');
      expect(saves.map(({ parts }) => parts.join(''))).toEqual(['a', 'b', 'abc', 'd', 'abcde']);
    });

    it('is loaded again when it is replaced while it is read', async () => {
      const first = lead(undefined, { fold, snapshots: watched() });
      await caughtUp(first);
      await registerAndSave('a');
      await first.stop();
      let loads = 0;
      const replacedOnce: MemorySnapshots['load'] = async (tenant, id) => {
        const loaded = await snapshots.load<never>(tenant, id);
        loads += 1;
        const parts = async function* () {
          yield { part: 120, items: ['x'] };
          throw new SnapshotReplaced(id);
        };
        return loaded && loads === 1 ? { ...loaded, parts: parts() } : loaded;
      };
      const second = lead(undefined, { fold, snapshots: { ...snapshots, load: replacedOnce } });
      await caughtUp(second);
      expect(second.acts.at(-1)).toEqual(['a']);
      expect(counted.readFrom.at(-1)).not.toBeUndefined();
    });
  });
});

describe('an event that this build cannot read', () => {
  const registered = (agentId: string) => ({ agentId, pool: 'default', registeredAt: '2026-03-01T12:00:00.000Z' });

  it.each([
    ['of a type that it does not know', { type: 'AgentPromoted', data: { agentId: 'a' } }],
    ['of a newer schema version', { type: 'AgentRegistered', schemaVersion: 99, data: registered('a2') }],
  ])('%s stops only its stream', async (_, event) => {
    await register('a');
    const led = lead();
    await caughtUp(led);
    await appendFromNewerBuild(store, agentStream(TENANT, 'a'), event);
    await appendFromNewerBuild(store, agentStream(TENANT, 'a'), { type: 'AgentRegistered', data: registered('a3') });
    await register('b');
    await vi.waitFor(() => expect(led.acts.at(-1)).toEqual(['a', 'b']), within);
    expect(led.folds).toHaveLength(1);
    expect(led.folds[0]?.halted).toEqual([agentStream(TENANT, 'a')]);
    expect(led.leader.status()).toMatchObject({
      leading: true,
      parked: [{ stream: agentStream(TENANT, 'a'), type: event.type, revision: 1n }],
    });
  });

  it('stays parked through a change of leader', async () => {
    await register('a');
    await appendFromNewerBuild(store, agentStream(TENANT, 'a'), { type: 'AgentPromoted', data: {} });
    const first = lead();
    await caughtUp(first);
    await first.stop();
    await appendFromNewerBuild(store, agentStream(TENANT, 'a'), { type: 'AgentRegistered', data: registered('a3') });
    const second = lead();
    await caughtUp(second);
    expect(second.folds[0]?.halted).toEqual([agentStream(TENANT, 'a')]);
    expect(second.acts.at(-1)).toEqual(['a']);
    expect(second.leader.status().parked).toHaveLength(1);
  });

  it('is read first by a build that knows it, with the later events of its stream', async () => {
    for (const id of ['a', 'b']) await register(id);
    const first = lead();
    await caughtUp(first);
    await first.stop();
    // As a build left it that could read neither the second event of the log nor what came after it in its stream.
    const { events } = await store.readAll({ limit: 10 });
    const parked = new ParkedStreams([
      { stream: agentStream(TENANT, 'b'), type: 'AgentRegistered', schemaVersion: 1, revision: '0', kept: [] },
    ]);
    for (const event of events.slice(1)) parked.admit(event);
    const saved = snapshots.saved.get('default/roll') as NonNullable<ReturnType<typeof snapshots.saved.get>>;
    const state = { names: ['a'], parkedStreams: parked.snapshot() };
    snapshots.saved.set('default/roll', { ...saved, state });

    await register('c');
    const second = lead();
    await vi.waitFor(() => expect(second.acts.at(-1)).toEqual(['a', 'b', 'c']), within);
    expect(second.leader.status().parked).toEqual([]);
    await second.stop();
    expect(snapshots.saved.get('default/roll')?.state).toEqual({ names: ['a', 'b', 'c'] });
  });

  it('has the log read again when too many later events followed it', async () => {
    for (const id of ['a', 'b']) await register(id);
    const first = lead();
    await caughtUp(first);
    await first.stop();
    const saved = snapshots.saved.get('default/roll') as NonNullable<ReturnType<typeof snapshots.saved.get>>;
    const stream = agentStream(TENANT, 'b');
    const parkedStreams = [{ stream, type: 'AgentRegistered', schemaVersion: 1, revision: '0', kept: null }];
    snapshots.saved.set('default/roll', { ...saved, state: { names: ['a'], parkedStreams } });
    const second = lead();
    await vi.waitFor(() => expect(second.acts.at(-1)).toEqual(['a', 'b']), within);
    expect(counted.readFrom).toEqual([undefined, undefined]);
  });

  it('prevents a process whose decisions need its stream from leading, without repeated attempts', async () => {
    await register('a');
    const led = lead(undefined, { fold: { ...rollOf(), isVital: (stream) => stream === agentStream(TENANT, 'a') } });
    await caughtUp(led);
    await appendFromNewerBuild(store, agentStream(TENANT, 'a'), { type: 'AgentPromoted', data: {} });
    await vi.waitFor(() => expect(led.leader.status()).toMatchObject({ leading: false, blocked: true }), within);
    await pass(29_000, 1_000);
    expect(led.folds).toHaveLength(1);
    expect(led.leader.status()).toMatchObject({ leading: false, blocked: true });
  });
});

describe('a leader that is fenced', () => {
  it('reports it and starts a new term', async () => {
    let fences = 0;
    let fenced = false;
    const led = lead(
      () => ({
        admits: () => {
          if (fenced) return true;
          fenced = true;
          throw new Fenced('another writer was elected');
        },
      }),
      {
        onFenced: () => {
          fences += 1;
        },
      },
    );
    await caughtUp(led);
    await register('a');
    await vi.waitFor(() => expect(fences).toBe(1), within);
    await pass(500);
    await vi.waitFor(() => expect(led.acts.at(-1)).toEqual(['a']), within);
    expect(led.folds).toHaveLength(2);
  });
});
