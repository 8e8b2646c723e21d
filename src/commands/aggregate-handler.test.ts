import { describe, expect, it } from 'vitest';
import { fakeClock, fakeIds, fakeRandom } from '../../test/support/fake-ports.ts';
import { commandIdOf, taskStream } from '../domain/ids.ts';
import { DEFAULT_RETRY } from '../domain/retry.ts';
import type { SubmitTask, TaskCommand } from '../domain/task/commands.ts';
import { taskDecider } from '../domain/task/decider.ts';
import type { TaskRejection } from '../domain/task/decision.ts';
import type { TaskEvent } from '../domain/task/events.ts';
import type { Task } from '../domain/task/state.ts';
import { encodeEvents } from '../eventstore/codec.ts';
import { type EventStore, type NewEvent, RevisionConflict, type StoredEvent } from '../eventstore/event-store.ts';
import { createMemoryEventStore } from '../eventstore/memory-event-store.ts';
import { verifyStream } from '../eventstore/provenance.ts';
import { unavailable } from '../platform/errors.ts';
import { AggregateHandler } from './aggregate-handler.ts';
import type { Turns } from './contention.ts';

const TASK = '11111111-1111-5111-8111-111111111111';
const OTHER = '22222222-2222-5222-8222-222222222222';
const STREAM = taskStream('acme', TASK);
const NOW = '2026-03-01T12:00:00.000Z';
const LATER = '2026-03-01T12:00:05.000Z';

/** What the next appends shall do, and what was done. */
type Watched = EventStore & {
  readonly appends: NewEvent[][];
  reads: number;
  /** Where the reads of a stream began. */
  readonly froms: unknown[];
  /** Appends wait while this is pending. */
  gate: Promise<void>;
  /** Taken by one append each, first come first served. */
  readonly faults: ((append: () => Promise<unknown>) => Promise<void>)[];
};

const watched = (store: EventStore = createMemoryEventStore({ clock: fakeClock() })): Watched => {
  const spy: Watched = {
    ...store,
    appends: [],
    froms: [],
    reads: 0,
    gate: Promise.resolve(),
    faults: [],
    readStream: (...of) => {
      spy.reads += 1;
      spy.froms.push(of[1]?.from);
      return store.readStream(...of);
    },
    async append(stream, events, options) {
      await spy.gate;
      spy.appends.push([...events]);
      await spy.faults.shift()?.(() => store.append(stream, events, options));
      return store.append(stream, events, options);
    },
  };
  return spy;
};

const writtenButNotAcknowledged = async (append: () => Promise<unknown>): Promise<void> => {
  await append();
  throw unavailable('the answer was lost');
};
const notWritten = async (): Promise<void> => {
  throw unavailable('the store is away');
};

const lose = async (): Promise<void> => {
  throw new RevisionConflict(STREAM, 0n, 1n);
};

type Handler = AggregateHandler<Task, TaskCommand, TaskEvent, TaskRejection>;
const handlerOn = (store: EventStore, clock = fakeClock(undefined, 'immediate')): Handler =>
  new AggregateHandler(store, taskDecider, { clock, random: fakeRandom() }, ({ status }) => status === 'completed');

const ids = fakeIds();
const unkeyed = () => {
  const commandId = ids.next();
  return { tenant: 'acme', commandId, correlationId: commandId, causationId: commandId, actor: 'ada' };
};
const keyed = (key: string, fingerprint = 'f1') => {
  const commandId = commandIdOf('acme', 'scope', key);
  return { ...unkeyed(), commandId, idsFrom: ids.next(), fingerprint };
};

const submit: SubmitTask = {
  type: 'SubmitTask',
  taskId: TASK,
  capability: 'translate',
  input: null,
  pool: 'default',
  priority: 3,
  strategy: 'least_loaded',
  retry: DEFAULT_RETRY,
  timeoutMs: 1_000,
  tags: [],
  now: NOW,
};
const cancel = { type: 'CancelTask', now: NOW } as const;
const complete = { type: 'CompleteAttempt', attempt: 1, agentId: 'a', result: null, durationMs: 1, now: NOW } as const;
const fail = (random = 0.5, attempt = 1) =>
  ({
    type: 'FailAttempt',
    attempt,
    agentId: 'a',
    error: { code: 'E', message: 'm', source: 'agent', retryable: true },
    random,
    now: NOW,
  }) as const;
const progress = (percent: number, checkpoint?: string) =>
  ({
    type: 'ReportProgress',
    attempt: 1,
    percent,
    now: NOW,
    ...(checkpoint === undefined ? {} : { checkpoint }),
  }) as const;

const run = (handler: Handler, command: TaskCommand, context: ReturnType<typeof unkeyed> = unkeyed()) =>
  handler.execute({ stream: STREAM, command, context, at: command.now });
const submitNew = (handler: Handler, context: ReturnType<typeof unkeyed> = unkeyed(), command = submit) =>
  handler.execute({ stream: STREAM, command, context, at: command.now, assumeNew: true });

const typesOf = async (store: EventStore): Promise<string[]> =>
  (await store.readStream(STREAM)).map(({ type }) => type);
const isChained = async (store: EventStore): Promise<void> =>
  expect(verifyStream(await store.readStream(STREAM))).toMatchObject({ ok: true });

/** A store with one submitted task in it. */
const submittedStore = async (): Promise<Watched> => {
  const store = watched();
  await submitNew(handlerOn(store));
  store.appends.length = 0;
  store.reads = 0;
  return store;
};

describe('one command', () => {
  it('returns its events, the new state and the position of the last event', async () => {
    const store = watched();
    const result = await submitNew(handlerOn(store));
    expect(result).toMatchObject({
      ok: true,
      value: { events: [{ type: 'TaskSubmitted' }], state: { status: 'open' }, repeated: false },
    });
    expect(result.ok && result.value.position).toBe(await store.head());
  });

  it('is recorded with its actor and its cause', async () => {
    const store = await submittedStore();
    const context = { ...unkeyed(), correlationId: 'corr', causationId: 'cause', traceparent: '00-ab-cd-01' };
    await run(handlerOn(store), cancel, context);
    expect((await store.readStream(STREAM)).at(-1)?.metadata).toMatchObject({
      tenant: 'acme',
      commandId: context.commandId,
      $correlationId: 'corr',
      $causationId: 'cause',
      traceparent: '00-ab-cd-01',
      actor: 'ada',
      at: NOW,
      schemaVersion: 1,
    });
  });

  it('that is rejected leaves nothing behind', async () => {
    const store = await submittedStore();
    const result = await run(handlerOn(store), { type: 'RedriveTask', now: NOW });
    expect(result).toEqual({ ok: false, rejection: { reason: 'TaskNotRedrivable', status: 'open' } });
    expect(await typesOf(store)).toEqual(['TaskSubmitted']);
  });

  it('that has nothing to do appends nothing, and returns the position of the stream', async () => {
    const store = await submittedStore();
    const result = await run(handlerOn(store), { type: 'ExpireTask', heldBy: undefined, now: NOW });
    expect(result).toMatchObject({ ok: true, value: { events: [], position: await store.head() } });
    expect(store.appends).toEqual([]);
  });

  it('on a stream without events is decided on the initial state', async () => {
    expect(await run(handlerOn(watched()), cancel)).toEqual({ ok: false, rejection: { reason: 'TaskNotFound' } });
  });
});

describe('commands that arrive together for one stream', () => {
  it('are appended together while the first is being appended, in the order of arrival', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    const results = await Promise.all([1, 2, 3, 4].map((percent) => run(handler, progress(percent))));
    expect(store.appends.map((events) => events.length)).toEqual([1, 3]);
    expect(store.reads).toBe(1);
    const stored = (await store.readStream(STREAM)).slice(1);
    expect(stored.map(({ data }) => (data as { percent: number }).percent)).toEqual([1, 2, 3, 4]);
    expect(results.map((result) => result.ok && result.value.position)).toEqual([
      stored[0]?.position,
      ...Array<unknown>(3).fill(stored[3]?.position),
    ]);
    await isChained(store);
  });

  it('are each decided on the state that the previous one left', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    const results = await Promise.all(
      [progress(1), cancel, progress(2), cancel].map((command) => run(handler, command)),
    );
    expect(results.map(({ ok }) => ok)).toEqual([true, true, false, false]);
    expect(results[2]).toMatchObject({ rejection: { reason: 'TaskNotRunning', status: 'cancelled' } });
    expect(await typesOf(store)).toEqual(['TaskSubmitted', 'TaskProgressReported', 'TaskCancelled']);
  });

  it('do not wait for those of another stream', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    let open: () => void = () => {};
    store.gate = new Promise((resolve) => {
      open = resolve;
    });
    const blocked = run(handler, cancel);
    await new Promise(setImmediate);
    store.gate = Promise.resolve();
    const free = handler.execute({
      stream: taskStream('acme', OTHER),
      command: { ...submit, taskId: OTHER },
      context: unkeyed(),
      at: NOW,
    });
    expect(await free).toMatchObject({ ok: true });
    open();
    expect(await blocked).toMatchObject({ ok: true });
  });

  it('fail individually when one of them hits a bug', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    const impossible = { ...progress(2), percent: 1_000 };
    const [first, bad, last] = await Promise.allSettled(
      [progress(1), impossible, progress(3)].map((command) => run(handler, command)),
    );
    expect([first?.status, bad?.status, last?.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(String((bad as PromiseRejectedResult).reason)).toMatch(/^Error: bug: the data of TaskProgressReported/);
    expect(await typesOf(store)).toHaveLength(3);
    await isChained(store);
  });

  it('are at most 50 in one append', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    await Promise.all(Array.from({ length: 120 }, (_, n) => run(handler, progress(n % 100))));
    expect(store.appends.map((events) => events.length)).toEqual([1, 50, 50, 19]);
    await isChained(store);
  });

  it('are appended in several calls when they are large, because the store accepts 1 MiB at a time', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    const large = '€'.repeat(80_000);
    await Promise.all(Array.from({ length: 20 }, (_, n) => run(handler, progress(n, large))));
    for (const events of store.appends) expect(Buffer.byteLength(JSON.stringify(events))).toBeLessThan(1_048_576);
    const stored = (await store.readStream(STREAM)).slice(1);
    expect(stored.map(({ data }) => (data as { percent: number }).percent)).toEqual(
      Array.from({ length: 20 }, (_, n) => n),
    );
    await isChained(store);
  });
});

describe('a stream that another writer changes in the meantime', () => {
  it('is read and decided on again', async () => {
    const store = await submittedStore();
    const [here, there] = [handlerOn(store), handlerOn(store)];
    await run(here, progress(1));
    await run(there, progress(2));
    expect(await run(here, progress(3))).toMatchObject({ ok: true });
    expect(await typesOf(store)).toHaveLength(4);
    await isChained(store);
  });

  it('may turn the decision into a rejection', async () => {
    const store = await submittedStore();
    const [here, there] = [handlerOn(store), handlerOn(store)];
    await run(here, progress(1));
    await run(there, complete);
    expect(await run(here, cancel)).toEqual({
      ok: false,
      rejection: { reason: 'TaskNotCancellable', status: 'completed' },
    });
  });

  it('five times in a row makes the command fail as a retryable conflict, with nothing written', async () => {
    const store = await submittedStore();
    const clock = fakeClock(undefined, 'immediate');
    const startMs = clock.now();
    store.faults.push(lose, lose, lose, lose, lose);
    await expect(run(handlerOn(store, clock), cancel)).rejects.toMatchObject({
      code: 'CONFLICT',
      retryable: true,
      message: `stream ${STREAM} changed 5 times while this command was decided`,
      cause: expect.any(RevisionConflict),
    });
    expect([store.appends.length, store.reads]).toEqual([5, 5]);
    expect(await typesOf(store)).toEqual(['TaskSubmitted']);
    // Waits grow, and not all conflicting writers wait the same.
    expect(clock.now() - startMs).toBeGreaterThan(0);
    expect(clock.now() - startMs).toBeLessThan(20 * (1 + 2 + 3));
  });

  it('four times in a row does not', async () => {
    const store = await submittedStore();
    store.faults.push(lose, lose, lose, lose);
    expect(await run(handlerOn(store), cancel)).toMatchObject({ ok: true });
  });

  it('does not let a command fail that comes after the conflict', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    store.faults.push(lose, lose, lose, lose, lose);
    await expect(run(handler, cancel)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await run(handler, cancel)).toMatchObject({ ok: true });
  });
});

describe('a stream that other processes write to all the time', () => {
  /** Turns that somebody else has until the test lets go. */
  const turnsOf = () => {
    const asked: string[] = [];
    const ended: string[] = [];
    let come = Promise.resolve();
    const turns: Turns = {
      async take(stream) {
        asked.push(stream);
        await come;
        return { waited: false, end: () => ended.push(stream) };
      },
    };
    return {
      turns,
      asked,
      ended,
      hold: () => {
        let letGo = (): void => {};
        come = new Promise<void>((resolve) => {
          letGo = resolve;
        });
        return letGo;
      },
    };
  };
  const handlerWith = (store: EventStore, turns: Turns, clock = fakeClock(undefined, 'immediate')): Handler =>
    new AggregateHandler(store, taskDecider, { clock, random: fakeRandom(), turns });

  it('is appended to without asking for a turn as long as nobody else was met', async () => {
    const [store, { turns, asked }] = [await submittedStore(), turnsOf()];
    const handler = handlerWith(store, turns);
    for (const n of [1, 2, 3]) await run(handler, progress(n));
    expect(asked).toEqual([]);
  });

  it('is read and appended to in turns after a conflict, so that there is no other', async () => {
    const [store, { turns, asked, ended }] = [await submittedStore(), turnsOf()];
    const handler = handlerWith(store, turns);
    await run(handler, progress(1));
    await run(handlerOn(store), progress(2));
    await run(handler, progress(3)); // loses once
    await run(handlerOn(store), progress(4));
    store.appends.length = 0;
    expect(await run(handler, progress(5))).toMatchObject({ ok: true });
    expect(asked).toEqual([STREAM]);
    expect(store.appends).toHaveLength(1);
    await isChained(store);
    expect(ended).toEqual([STREAM]);
  });

  it('gets what came while the turn was waited for in one append', async () => {
    const [store, { turns, asked, hold }] = [await submittedStore(), turnsOf()];
    const handler = handlerWith(store, turns);
    store.faults.push(lose);
    await run(handler, progress(1));
    const letGo = hold();
    const first = run(handler, progress(2));
    await expect.poll(() => asked).toHaveLength(1);
    const others = [3, 4, 5].map((n) => run(handler, progress(n)));
    store.appends.length = 0;
    letGo();
    await Promise.all([first, ...others]);
    expect(store.appends.map((events) => events.length)).toEqual([4]);
  });

  it('has its turn ended also when the append fails', async () => {
    const [store, { turns, ended }] = [await submittedStore(), turnsOf()];
    const handler = handlerWith(store, turns);
    store.faults.push(lose);
    await run(handler, progress(1));
    store.faults.push(notWritten);
    await expect(run(handler, progress(2))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(ended).toEqual([STREAM]);
  });

  it('is appended to at once again when nobody was met for two seconds', async () => {
    const [store, { turns, asked }, clock] = [await submittedStore(), turnsOf(), fakeClock(undefined, 'immediate')];
    const handler = handlerWith(store, turns, clock);
    store.faults.push(lose);
    await run(handler, progress(1));
    clock.advance(2_001);
    await run(handler, progress(2));
    expect(asked).toEqual([]);
  });
});

describe('a stream that is expected to be new', () => {
  it('is not read', async () => {
    const store = watched();
    await submitNew(handlerOn(store));
    expect(store.reads).toBe(0);
  });

  it('is read when it turns out to exist', async () => {
    const store = await submittedStore();
    expect(await submitNew(handlerOn(store))).toEqual({ ok: false, rejection: { reason: 'TaskAlreadyExists' } });
    expect(await typesOf(store)).toEqual(['TaskSubmitted']);
  });

  it('is read before a submission is refused: it may be a repeat of one that was accepted', async () => {
    const store = watched();
    const deadlineAt = '2026-03-01T12:00:01.000Z';
    await submitNew(handlerOn(store), keyed('k'), { ...submit, deadlineAt });
    const late = { ...submit, deadlineAt, now: LATER };
    expect(await submitNew(handlerOn(store), keyed('k'), late)).toMatchObject({ ok: true, value: { repeated: true } });
    expect(await submitNew(handlerOn(watched()), keyed('k'), late)).toEqual({
      ok: false,
      rejection: { reason: 'DeadlinePassed', deadlineAt },
    });
  });
});

describe('the cache', () => {
  it('outlives a command that others were quicker than too often: the stream is only read on', async () => {
    const store = watched();
    const handler = handlerOn(store);
    await submitNew(handler);
    store.faults.push(lose, lose, lose, lose, lose);
    await expect(run(handler, progress(1))).rejects.toMatchObject({ code: 'CONFLICT' });
    await run(handler, progress(2));
    expect(store.froms).toEqual([1n, 1n, 1n, 1n, 1n]);
  });

  it('saves the read of a stream that was used before', async () => {
    const store = watched();
    const handler = handlerOn(store);
    await submitNew(handler);
    await run(handler, progress(1));
    await run(handler, progress(2));
    expect(store.reads).toBe(0);
    expect(await handler.load(STREAM)).toMatchObject({ status: 'open' });
    expect(store.reads).toBe(0);
  });

  it('is limited by size, but also keeps up to two states that are larger than the whole cache', async () => {
    const store = watched();
    const ports = { clock: fakeClock(undefined, 'immediate'), random: fakeRandom() };
    const handler: Handler = new AggregateHandler(
      store,
      taskDecider,
      ports,
      () => false,
      () => 2 ** 40,
    );
    const submitAs = (taskId: string) =>
      handler.execute({
        stream: taskStream('acme', taskId),
        command: { ...submit, taskId },
        context: unkeyed(),
        at: NOW,
        assumeNew: true,
      });
    await submitNew(handler);
    await submitAs(OTHER);
    await run(handler, progress(1));
    await run(handler, progress(2));
    expect(store.reads).toBe(0);
    await submitAs('33333333-3333-5333-8333-333333333333');
    await run(handler, progress(3));
    expect(store.reads).toBe(0);
    await handler.load(taskStream('acme', OTHER));
    expect(store.reads).toBe(1);
  });

  it('is bypassed when a fresh state is requested', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    await handler.load(STREAM);
    await run(handlerOn(store), cancel);
    expect(await handler.load(STREAM)).toMatchObject({ status: 'open' });
    expect(await handler.load(STREAM, { fresh: true })).toMatchObject({ status: 'cancelled' });
    expect(await handler.load(STREAM)).toMatchObject({ status: 'cancelled' });
  });

  it('does not keep a state for which no further command is expected', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    await run(handler, complete);
    store.reads = 0;
    await handler.load(STREAM);
    expect(store.reads).toBe(1);
  });

  it('never causes a rejection by itself: the stream is read before a command is rejected', async () => {
    const store = await submittedStore();
    const [here, there] = [handlerOn(store), handlerOn(store)];
    const letter = { ...fail(), error: { ...fail().error, retryable: false } };
    await run(here, letter);
    await run(there, { type: 'RedriveTask', now: NOW });
    expect(await run(here, { ...complete, attempt: 2 })).toMatchObject({ ok: true });
    await isChained(store);
  });

  it('never decides by itself that there is nothing to do', async () => {
    const store = watched();
    const deadlineAt = LATER;
    const [here, there] = [handlerOn(store), handlerOn(store)];
    await submitNew(here, unkeyed(), submit);
    await run(there, { ...fail(), error: { ...fail().error, retryable: false } });
    await run(there, { type: 'RedriveTask', deadlineAt, now: NOW });
    expect(await run(here, { type: 'ExpireTask', heldBy: undefined, now: LATER })).toMatchObject({
      ok: true,
      value: { events: [{ type: 'TaskDeadLettered' }] },
    });
  });

  const lastOf = async (store: EventStore): Promise<StoredEvent> =>
    (await store.readStream(STREAM)).at(-1) as StoredEvent;

  it('drops a stream that another writer has changed', async () => {
    const store = await submittedStore();
    const [here, there] = [handlerOn(store), handlerOn(store)];
    await run(here, progress(1));
    await run(there, cancel);
    here.observe(await lastOf(store));
    expect(await here.load(STREAM)).toMatchObject({ status: 'cancelled' });
  });

  it('keeps a stream that shows only its own events', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    await run(handler, progress(1));
    store.reads = 0;
    for (const event of await createHistory(store)) handler.observe(event);
    await run(handler, progress(2));
    expect(store.reads).toBe(0);
  });

  it('takes in what it has seen of another writer, without a read', async () => {
    const store = await submittedStore();
    const [here, there] = [handlerOn(store), handlerOn(store)];
    await run(here, progress(1, 'at 1'));
    for (const n of [2, 3]) {
      await run(there, progress(n, `at ${n}`));
      here.observe(await lastOf(store));
    }
    store.reads = 0;
    expect(await here.load(STREAM)).toMatchObject({ checkpoint: 'at 3' });
    expect(await run(here, progress(4, 'at 4'))).toMatchObject({ ok: true });
    expect(store.reads).toBe(0);
    await isChained(store);
  });

  it('reads on from its revision, not from the start, when it has not seen all of another writer', async () => {
    const store = await submittedStore();
    const [here, there] = [handlerOn(store), handlerOn(store)];
    await run(here, progress(1, 'at 1'));
    await run(there, progress(2, 'at 2'));
    await run(there, progress(3, 'at 3'));
    here.observe(await lastOf(store));
    store.froms.length = 0;
    expect(await here.load(STREAM)).toMatchObject({ checkpoint: 'at 3' });
    expect(store.froms).toEqual([2n]);
  });

  it('reads on when there is more than it keeps of another writer', async () => {
    const store = await submittedStore();
    const [here, there] = [handlerOn(store), handlerOn(store)];
    await run(here, progress(1, 'at 1'));
    for (let n = 1; n <= 1_001; n += 1) await run(there, progress(n % 100, `at ${n}`));
    for (const event of await store.readStream(STREAM)) here.observe(event);
    store.froms.length = 0;
    expect(await here.load(STREAM)).toMatchObject({ checkpoint: 'at 1001' });
    expect(store.froms).toEqual([1_002n]);
  });

  it('reads on after a conflict', async () => {
    const store = await submittedStore();
    const here = handlerOn(store);
    await run(here, progress(1, 'at 1'));
    await run(handlerOn(store), progress(2, 'at 2'));
    store.froms.length = 0;
    expect(await run(here, progress(3, 'at 3'))).toMatchObject({ ok: true, value: { state: { checkpoint: 'at 3' } } });
    expect(store.froms).toEqual([2n]);
    expect(verifyStream(await store.readStream(STREAM))).toMatchObject({ ok: true, count: 4 });
  });

  it('reads all of a stream that does not continue from its revision', async () => {
    const store = await submittedStore();
    const here = handlerOn(store);
    await run(here, progress(1, 'at 1'));
    const other = await submittedStore();
    for (const n of [11, 12, 13]) await run(handlerOn(other), progress(n, `at ${n}`));
    store.readStream = other.readStream;
    here.observe(await lastOf(other));
    other.froms.length = 0;
    expect(await here.load(STREAM)).toMatchObject({ checkpoint: 'at 13' });
    expect(other.froms).toEqual([2n, undefined]);
  });

  it('does not take in what it has seen when that does not continue from its revision', async () => {
    const store = await submittedStore();
    const here = handlerOn(store);
    await run(here, progress(1, 'at 1'));
    const other = await submittedStore();
    for (const n of [11, 12]) await run(handlerOn(other), progress(n, `at ${n}`));
    store.readStream = other.readStream;
    here.observe(await lastOf(other));
    expect(await here.load(STREAM)).toMatchObject({ checkpoint: 'at 12' });
  });

  it('needs no read when its own event arrives before the acknowledgement', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    await run(handler, progress(1, 'at 1'));
    const append = store.append.bind(store);
    store.append = async (...of) => {
      const result = await append(...of);
      handler.observe(await lastOf(store));
      return result;
    };
    await run(handler, progress(2, 'at 2'));
    store.reads = 0;
    await run(handler, progress(3, 'at 3'));
    expect(store.reads).toBe(1); // the look of this test itself
  });

  const createHistory = async (store: Watched): Promise<StoredEvent[]> => {
    const { events } = await store.readAll({ limit: 1_000 });
    return events;
  };
});

describe('a command that is repeated under its idempotency key', () => {
  it('gets the same answer, and nothing is appended', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    const first = await run(handler, cancel, keyed('k'));
    const again = await run(handler, { ...cancel, now: LATER }, keyed('k'));
    expect(again).toMatchObject({ ok: true, value: { repeated: true, state: { status: 'cancelled' } } });
    expect(again.ok && first.ok && [again.value.position, again.value.events]).toEqual(
      first.ok && [first.value.position, first.value.events],
    );
    expect(store.appends).toHaveLength(1);
  });

  it('gets it even after a restart, and after later events', async () => {
    const store = watched();
    const first = await submitNew(handlerOn(store), keyed('k'));
    await run(handlerOn(store), progress(1));
    const again = await submitNew(handlerOn(store), keyed('k'), { ...submit, now: LATER });
    expect(again).toMatchObject({ ok: true, value: { repeated: true } });
    expect(again.ok && again.value.position).toBe(first.ok && first.value.position);
    expect(await typesOf(store)).toEqual(['TaskSubmitted', 'TaskProgressReported']);
  });

  it('gets every event of the first call', async () => {
    const store = await submittedStore();
    const letter = { ...fail(), error: { ...fail().error, retryable: false } };
    const first = await run(handlerOn(store), letter, keyed('k'));
    const again = await run(handlerOn(store), letter, keyed('k'));
    expect(again.ok && again.value.events.map(({ type }) => type)).toEqual(['TaskAttemptFailed', 'TaskDeadLettered']);
    expect(again.ok && again.value.position).toBe(first.ok && first.value.position);
  });

  it('gets it even when both calls arrive together', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    const results = await Promise.all(
      [progress(1), cancel, cancel].map((command, n) => run(handler, command, keyed(n === 0 ? 'p' : 'k'))),
    );
    expect(results.map((result) => result.ok && result.value.repeated)).toEqual([false, false, true]);
    expect(new Set(results.slice(1).map((result) => result.ok && result.value.position)).size).toBe(1);
    expect(await typesOf(store)).toEqual(['TaskSubmitted', 'TaskProgressReported', 'TaskCancelled']);
  });
});

describe('an idempotency key that comes with another body', () => {
  const reused = { code: 'IDEMPOTENCY_KEY_REUSED', retryable: false };

  it('is refused, with zero events', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    await run(handler, progress(1), keyed('k', 'f1'));
    await expect(run(handler, progress(2), keyed('k', 'f2'))).rejects.toMatchObject(reused);
    expect(await typesOf(store)).toEqual(['TaskSubmitted', 'TaskProgressReported']);
  });

  it('is refused even after a restart', async () => {
    const store = watched();
    await submitNew(handlerOn(store), keyed('k', 'f1'));
    await expect(submitNew(handlerOn(store), keyed('k', 'f2'), { ...submit, priority: 1 })).rejects.toMatchObject(
      reused,
    );
    expect(await typesOf(store)).toEqual(['TaskSubmitted']);
    await isChained(store);
  });

  it('is refused when both arrive together, at one process or two', async () => {
    for (const processes of [1, 2]) {
      const store = watched();
      const handlers = Array.from({ length: processes }, () => handlerOn(store));
      const outcomes = await Promise.allSettled(
        ['f1', 'f2'].map((fingerprint, n) =>
          submitNew(handlers[n % processes] as Handler, keyed('k', fingerprint), { ...submit, priority: n + 1 }),
        ),
      );
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
      expect((outcomes[1] as PromiseRejectedResult).reason).toMatchObject(reused);
      expect(await typesOf(store)).toEqual(['TaskSubmitted']);
    }
  });
});

describe('two processes that decide the same command at once', () => {
  it('agree on one of the two, and neither builds on unwritten events', async () => {
    const store = await submittedStore();
    const [here, there] = [handlerOn(store), handlerOn(store)];
    await Promise.all([here.load(STREAM), there.load(STREAM)]);
    // The retry is spread differently by each.
    const results = await Promise.all([
      run(here, fail(0.1), keyed('attempt-1')),
      run(there, fail(0.9), keyed('attempt-1')),
    ]);
    expect(results.map((result) => result.ok && result.value.repeated)).toEqual([false, true]);
    expect(results[1]?.ok && results[1].value.events).toEqual(results[0]?.ok && results[0].value.events);
    expect(await run(there, { ...fail(0.5, 2) }, keyed('attempt-2'))).toMatchObject({ ok: true });
    expect(await run(here, { ...complete, attempt: 3 })).toMatchObject({ ok: true });
    expect(await typesOf(store)).toEqual(['TaskSubmitted', 'TaskAttemptFailed', 'TaskAttemptFailed', 'TaskCompleted']);
    await isChained(store);
  });
});

describe('an append whose outcome is unknown', () => {
  it('fails as unavailable, and the repeat finds that it was written', async () => {
    const store = watched();
    const handler = handlerOn(store);
    store.faults.push(writtenButNotAcknowledged);
    await expect(submitNew(handler, keyed('k'))).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect(await submitNew(handler, keyed('k'), { ...submit, now: LATER })).toMatchObject({
      ok: true,
      value: { repeated: true, events: [{ data: { submittedAt: NOW } }] },
    });
    expect(await run(handler, cancel)).toMatchObject({ ok: true });
    expect(await typesOf(store)).toEqual(['TaskSubmitted', 'TaskCancelled']);
    await isChained(store);
  });

  it('fails as unavailable, and the repeat writes it if it was not written', async () => {
    const store = watched();
    const handler = handlerOn(store);
    store.faults.push(notWritten);
    await expect(submitNew(handler, keyed('k'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await submitNew(handler, keyed('k'))).toMatchObject({ ok: true, value: { repeated: false } });
    expect(await typesOf(store)).toEqual(['TaskSubmitted']);
  });

  it('leaves nothing in the cache that may not have been written', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    await handler.load(STREAM);
    store.faults.push(notWritten);
    await expect(run(handler, cancel)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await handler.load(STREAM)).toMatchObject({ status: 'open' });
  });

  it('is followed by a read before the state is used again', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    await handler.load(STREAM);
    store.faults.push(writtenButNotAcknowledged);
    await expect(run(handler, cancel)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await handler.load(STREAM)).toMatchObject({ status: 'cancelled' });
  });

  it('fails every command that shared the append, and none that came after', async () => {
    const store = await submittedStore();
    const handler = handlerOn(store);
    store.faults.push(async () => {}, notWritten);
    const outcomes = await Promise.allSettled([1, 2, 3].map((percent) => run(handler, progress(percent))));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(await run(handler, progress(4))).toMatchObject({ ok: true });
  });
});

describe('a stream with an event that this build does not know', () => {
  it('fails the command instead of guessing', async () => {
    const store = await submittedStore();
    const [first] = await store.readStream(STREAM);
    const { hash } = (first as StoredEvent).metadata;
    const cancelled = { type: 'TaskCancelled' as const, data: { taskId: TASK, cancelledAt: NOW } };
    const [known] = encodeEvents(STREAM, { ...unkeyed(), at: NOW }, [cancelled], { revision: 0n, hash });
    await store.append(STREAM, [{ ...(known as NewEvent), type: 'TaskTeleported' }], { expectedRevision: 0n });
    await expect(run(handlerOn(store), cancel)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `stream ${STREAM} holds TaskTeleported at revision 1, which this build does not know`,
    });
  });
});
