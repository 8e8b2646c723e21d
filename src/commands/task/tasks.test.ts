import { describe, expect, it } from 'vitest';
import { commandsOver, fakeClock, fakeIds } from '../../../test/support/fake-ports.ts';
import { taskStream } from '../../domain/ids.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { MAX_ISSUES } from '../../platform/errors.ts';
import type { Accepted, Caller } from '../context.ts';
import { cancelTask } from './cancel-task.ts';
import {
  completeAttempt,
  expireTask,
  failAttempt,
  giveUpAttempt,
  markOutcomeUnknown,
  startAttempt,
} from './close-attempt.ts';
import { settleDependencies } from './dependencies.ts';
import { redriveTask } from './redrive-task.ts';
import { reportProgress } from './report-progress.ts';
import { MAX_TASKS_PER_CALL, submitTask, submitTasks } from './submit-task.ts';

const ada: Caller = { tenant: 'acme', actor: 'ada' };
const dispatcher: Caller = { tenant: 'acme', actor: 'dispatcher' };
const TROUBLE = { code: 'E', message: 'm', source: 'agent', retryable: false } as const;
const NOBODY = '99999999-9999-5999-8999-999999999999';

const setUp = () => {
  const clock = fakeClock(undefined, 'immediate');
  const store = createMemoryEventStore({ clock });
  const commands = commandsOver(store, { clock });
  /** The same log, seen by a process that has just started. */
  const restarted = () => commandsOver(store, { clock, ids: fakeIds(1) });
  const eventsOf = (taskId: string) => store.readStream(taskStream('acme', taskId));
  const typesOf = async (taskId: string) => (await eventsOf(taskId)).map(({ type }) => type);
  return { clock, store, commands, restarted, eventsOf, typesOf };
};

const accepted = (result: { ok: boolean; value?: Accepted }): Accepted => {
  if (!result.ok || !result.value) throw new Error(`rejected: ${JSON.stringify(result)}`);
  return result.value;
};
const submitted = async (commands: Parameters<typeof submitTask>[0], input: object = {}): Promise<string> =>
  accepted(await submitTask(commands, ada, { capability: 'translate', ...input })).id;

describe('a task that depends on others', () => {
  const complete = async (commands: Parameters<typeof submitTask>[0], taskId: string) =>
    accepted(
      await completeAttempt(commands, dispatcher, { taskId, attempt: 1, agentId: 'a' }, { result: 1, durationMs: 1 }),
    );

  it('waits for those that have not completed, until the last of them has', async () => {
    const { commands, restarted, eventsOf, typesOf } = setUp();
    const [done, open] = [await submitted(commands), await submitted(commands)];
    await complete(commands, done);
    const taskId = await submitted(commands, { dependsOn: [done, open] });
    expect((await eventsOf(taskId))[0]?.data).toMatchObject({ dependsOn: [done, open], waitsFor: [open] });
    const other = restarted();
    await settleDependencies(other, dispatcher, { taskId, waitsFor: [open] });
    expect(await typesOf(taskId)).toEqual(['TaskSubmitted']);
    await complete(commands, open);
    for (const process of [commands, other, restarted()])
      await settleDependencies(process, dispatcher, { taskId, waitsFor: [open] });
    expect(await typesOf(taskId)).toEqual(['TaskSubmitted', 'TaskUnblocked']);
  });

  it('is cancelled with one of them, and those that depend on it after it', async () => {
    const { commands, eventsOf } = setUp();
    const first = await submitted(commands);
    const second = await submitted(commands, { dependsOn: [first] });
    const third = await submitted(commands, { dependsOn: [second] });
    accepted(await cancelTask(commands, ada, first));
    await settleDependencies(commands, dispatcher, { taskId: third, waitsFor: [second] });
    await settleDependencies(commands, dispatcher, { taskId: second, waitsFor: [first] });
    await settleDependencies(commands, dispatcher, { taskId: third, waitsFor: [second] });
    expect((await eventsOf(third))[1]).toMatchObject({
      type: 'TaskCancelled',
      data: { dependency: { taskId: second, ended: 'cancelled' } },
    });
  });

  it('is refused where one does not exist, is of another tenant, or was cancelled; nothing is recorded', async () => {
    const { store, commands } = setUp();
    const foreign = accepted(await submitTask(commands, { ...ada, tenant: 'other' }, { capability: 'translate' })).id;
    const ended = await submitted(commands);
    accepted(await cancelTask(commands, ada, ended));
    const before = await store.head();
    await expect(
      submitTask(commands, ada, { capability: 'translate', dependsOn: [NOBODY, foreign, ended] }),
    ).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      issues: [
        { pointer: '/dependsOn/0', code: 'UNKNOWN_DEPENDENCY' },
        { pointer: '/dependsOn/1', code: 'UNKNOWN_DEPENDENCY' },
        { pointer: '/dependsOn/2', code: 'LOST_DEPENDENCY' },
      ],
    });
    expect(await store.head()).toBe(before);
  });

  it('is the same task under the same key, also when one of them was cancelled meanwhile', async () => {
    const { commands, restarted } = setUp();
    const first = await submitted(commands);
    const keyed = { ...ada, idempotencyKey: 'k' };
    const input = { capability: 'translate', dependsOn: [first] };
    const { id } = accepted(await submitTask(commands, keyed, input));
    accepted(await cancelTask(commands, ada, first));
    for (const process of [commands, restarted()])
      expect(await submitTask(process, keyed, input)).toMatchObject({ ok: true, value: { id, repeated: true } });
  });
});

describe('submitting a task', () => {
  it('records it with its defaults, the time, and the caller', async () => {
    const { clock, commands, eventsOf } = setUp();
    const taskId = await submitted(commands, { input: { text: 'hi' } });
    const [event] = await eventsOf(taskId);
    expect(event).toMatchObject({
      type: 'TaskSubmitted',
      data: {
        taskId,
        capability: 'translate',
        input: { text: 'hi' },
        priority: 3,
        submittedAt: new Date(clock.now()).toISOString(),
      },
      metadata: { tenant: 'acme', actor: 'ada', $correlationId: taskId },
    });
    expect(event?.metadata).not.toHaveProperty('fingerprint');
  });

  it.each([
    ['affinity', 'ada'],
    ['consistent_hash', 'ada'],
    ['least_loaded', undefined],
  ])('keeps tasks of one submitter together for %s', async (strategy, affinityKey) => {
    const { commands, eventsOf } = setUp();
    const [event] = await eventsOf(await submitted(commands, { strategy }));
    expect((event?.data as { affinityKey?: string } | undefined)?.affinityKey).toBe(affinityKey);
    const [keyed] = await eventsOf(await submitted(commands, { strategy, affinityKey: 'k' }));
    expect(keyed?.data).toMatchObject({ affinityKey: 'k' });
  });

  it('answers with the position at which a query sees it', async () => {
    const { store, commands } = setUp();
    const { position, repeated } = accepted(await submitTask(commands, ada, { capability: 'translate' }));
    expect([position, repeated]).toEqual([await store.head(), false]);
  });

  it('keeps the correlation and causation that the caller brings', async () => {
    const { commands, eventsOf } = setUp();
    const caller = { ...ada, correlationId: 'corr', causationId: 'cause' };
    const { id } = accepted(await submitTask(commands, caller, { capability: 'c' }));
    expect((await eventsOf(id))[0]?.metadata).toMatchObject({ $correlationId: 'corr', $causationId: 'cause' });
  });

  it('creates two tasks for two calls without a key', async () => {
    const { commands } = setUp();
    expect(await submitted(commands)).not.toBe(await submitted(commands));
  });

  it('refuses a deadline that has passed, and records nothing', async () => {
    const { store, commands } = setUp();
    const deadlineAt = '2026-03-01T11:59:00Z';
    expect(await submitTask(commands, ada, { capability: 'c', deadlineAt })).toEqual({
      ok: false,
      rejection: { reason: 'DeadlinePassed', deadlineAt },
    });
    expect(await store.head()).toBeUndefined();
  });
});

describe('submitting a task under an idempotency key', () => {
  const caller = { ...ada, idempotencyKey: 'order-17' };

  it('creates one task, however often and to whichever process it is sent', async () => {
    const { commands, restarted, typesOf } = setUp();
    const body = { capability: 'translate', input: { a: 1, b: 2 } };
    const first = accepted(await submitTask(commands, caller, body));
    const again = accepted(await submitTask(restarted(), caller, { ...body, input: { b: 2, a: 1 } }));
    expect(again).toEqual({ ...first, repeated: true });
    expect(await typesOf(first.id)).toEqual(['TaskSubmitted']);
  });

  it('treats a body as the same when a default is spelled out', async () => {
    const { commands, restarted } = setUp();
    await submitTask(commands, caller, { capability: 'c' });
    expect(accepted(await submitTask(restarted(), caller, { capability: 'c', priority: 3 }))).toMatchObject({
      repeated: true,
    });
  });

  it('refuses another body with zero events, also after a restart', async () => {
    const { commands, restarted, store } = setUp();
    const { position } = accepted(await submitTask(commands, caller, { capability: 'c' }));
    for (const process of [commands, restarted()])
      await expect(submitTask(process, caller, { capability: 'd' })).rejects.toMatchObject({
        code: 'IDEMPOTENCY_KEY_REUSED',
      });
    expect(await store.head()).toBe(position);
  });

  it('creates another task in another tenant', async () => {
    const { commands } = setUp();
    const here = accepted(await submitTask(commands, caller, { capability: 'c' }));
    const there = accepted(await submitTask(commands, { ...caller, tenant: 'umbrella' }, { capability: 'd' }));
    expect([there.repeated, there.id === here.id]).toEqual([false, false]);
  });

  it.each(['', 'x'.repeat(256), 'line\nbreak', 'ümlaut', 'nul\u0000'])('refuses the key %j', async (idempotencyKey) => {
    const { commands } = setUp();
    await expect(submitTask(commands, { ...ada, idempotencyKey }, { capability: 'c' })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      issues: [
        { pointer: '/idempotencyKey', code: 'BAD_IDEMPOTENCY_KEY', message: '1 to 255 printable ASCII characters' },
      ],
    });
  });
});

describe('submitting many tasks', () => {
  it('answers for each in order, and refuses only the bad ones', async () => {
    const { commands, store } = setUp();
    const outcomes = await submitTasks(commands, ada, {
      tasks: [
        { capability: 'translate', idempotencyKey: 'a' },
        { capability: 'translate', priority: 9 },
        { capability: 'translate', deadlineAt: '2020-01-01T00:00:00Z' },
        'nonsense',
        { capability: 'translate', idempotencyKey: 7 },
        { capability: 'draw' },
      ],
    });
    expect(outcomes).toMatchObject([
      { index: 0, ok: true, accepted: { repeated: false } },
      { index: 1, ok: false, code: 'BAD_USER_INPUT', issues: [{ pointer: '/priority', code: 'OUT_OF_RANGE' }] },
      { index: 2, ok: false, code: 'DeadlinePassed', issues: [] },
      { index: 3, ok: false, code: 'BAD_USER_INPUT' },
      { index: 4, ok: false, code: 'BAD_USER_INPUT', issues: [{ pointer: '/idempotencyKey', code: 'WRONG_TYPE' }] },
      { index: 5, ok: true },
    ]);
    expect((await store.readAll({ limit: 10 })).events).toHaveLength(2);
  });

  it('gives each item the outcome of its own key', async () => {
    const { commands, restarted } = setUp();
    const tasks = [
      { capability: 'a', idempotencyKey: 'one' },
      { capability: 'b', idempotencyKey: 'one' },
      { capability: 'a', idempotencyKey: 'one' },
    ];
    const outcomes = await submitTasks(restarted(), ada, { tasks });
    expect(outcomes).toMatchObject([
      { ok: true, accepted: { repeated: false } },
      { ok: false, code: 'IDEMPOTENCY_KEY_REUSED' },
      { ok: true, accepted: { repeated: true } },
    ]);
    expect(await submitTasks(commands, ada, { tasks: tasks.slice(0, 1) })).toMatchObject([
      { accepted: { repeated: true } },
    ]);
  });

  it('covers items without a key by the key of the whole call, distinguished by their index', async () => {
    const { commands, restarted } = setUp();
    const submit = async (to = commands): Promise<unknown[]> => {
      const caller = { ...ada, idempotencyKey: 'all' };
      const outcomes = await submitTasks(to, caller, { tasks: [{ capability: 'a' }, { capability: 'a' }] });
      return outcomes.map((outcome) => outcome.ok && outcome.accepted.id);
    };
    const ids = await submit();
    expect(new Set(ids).size).toBe(2);
    expect(await submit(restarted())).toEqual(ids);
  });

  it.each([
    {},
    { tasks: [] },
    { tasks: 'x' },
    { tasks: Array(MAX_TASKS_PER_CALL + 1).fill({}) },
    { tasks: [{}], more: 1 },
  ])('refuses an unusable list as a whole', (input) => {
    const { commands } = setUp();
    expect(() => submitTasks(commands, ada, input)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
  });

  it('refuses a key of the call that is too long for its last item', () => {
    const { commands } = setUp();
    const submit = (length: number) => () =>
      submitTasks(commands, { ...ada, idempotencyKey: 'x'.repeat(length) }, { tasks: [{ capability: 'a' }] });
    expect(submit(253)).not.toThrow();
    expect(submit(254)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
  });

  it('reports bad keys of many items with few issues', async () => {
    const { commands } = setUp();
    const tasks = Array(100).fill({ capability: 'a', idempotencyKey: '\u00e9' });
    const outcomes = await submitTasks(commands, ada, { tasks });
    expect(outcomes.every(({ ok }) => !ok)).toBe(true);
    expect(outcomes.flatMap((outcome) => (outcome.ok ? [] : outcome.issues))).toHaveLength(MAX_ISSUES);
  });
});

describe.each([
  ['cancelTask', (commands, id) => cancelTask(commands, ada, id)],
  ['redriveTask', (commands, id) => redriveTask(commands, ada, id)],
  ['reportProgress', (commands, id) => reportProgress(commands, ada, id, { attempt: 1 })],
  ['expireTask', (commands, id) => expireTask(commands, ada, id, undefined)],
  ['startAttempt', (commands, taskId) => startAttempt(commands, ada, { taskId, attempt: 1, agentId: 'a' })],
] satisfies [string, (commands: ReturnType<typeof commandsOver>, id: string) => Promise<unknown>][])(
  '%s of a task that does not exist',
  (_, act) => {
    it.each([NOBODY, 'nonsense', '', '../x', '\u0000'])('is not found: %j', async (id) => {
      const { commands, store } = setUp();
      await expect(act(commands, id)).rejects.toMatchObject({ code: 'NOT_FOUND', retryable: false });
      expect(await store.head()).toBeUndefined();
    });

    it('is not found in another tenant', async () => {
      const { commands, store } = setUp();
      const { id } = accepted(await submitTask(commands, { ...ada, tenant: 'umbrella' }, { capability: 'c' }));
      await expect(act(commands, id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect((await store.readAll({ limit: 10 })).events).toHaveLength(1);
    });
  },
);

describe('cancelling a task', () => {
  it('ends it once, and tells that to a second caller', async () => {
    const { commands, typesOf } = setUp();
    const id = await submitted(commands);
    expect(await cancelTask(commands, ada, id, { reason: 'no need' })).toMatchObject({ ok: true });
    expect(await cancelTask(commands, ada, id)).toEqual({
      ok: false,
      rejection: { reason: 'TaskNotCancellable', status: 'cancelled' },
    });
    expect(await typesOf(id)).toEqual(['TaskSubmitted', 'TaskCancelled']);
  });

  it('gives the same caller the same answer under its key, but not for another task', async () => {
    const { commands, restarted } = setUp();
    const [one, two] = [await submitted(commands), await submitted(commands)];
    const caller = { ...ada, idempotencyKey: 'stop' };
    const first = accepted(await cancelTask(commands, caller, one));
    expect(accepted(await cancelTask(restarted(), caller, one))).toEqual({ ...first, repeated: true });
    expect(accepted(await cancelTask(restarted(), caller, two))).toMatchObject({ id: two, repeated: false });
  });

  it.each([{ reason: 'x'.repeat(1_001) }, { reason: '\u0000' }, { because: 'x' }])('refuses %o', async (input) => {
    const { commands } = setUp();
    const id = await submitted(commands);
    expect(() => cancelTask(commands, ada, id, input)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
  });
});

describe('closing an attempt', () => {
  const attempt = (taskId: string, facts: object = {}) => ({ taskId, attempt: 1, agentId: 'anna', ...facts });

  it('records the result once, however often it is delivered', async () => {
    const { commands, restarted, typesOf } = setUp();
    const id = await submitted(commands);
    const outcome = { result: { text: 'hallo' }, durationMs: 5 };
    const first = accepted(await completeAttempt(commands, dispatcher, attempt(id), outcome));
    const again = accepted(await completeAttempt(restarted(), dispatcher, attempt(id), { ...outcome, durationMs: 6 }));
    expect(again).toEqual({ ...first, repeated: true });
    expect(await typesOf(id)).toEqual(['TaskSubmitted', 'TaskCompleted']);
  });

  it('refuses a result that comes after the attempt has failed', async () => {
    const { commands, restarted } = setUp();
    const id = await submitted(commands);
    await failAttempt(commands, dispatcher, attempt(id), { error: { ...TROUBLE, retryable: true } });
    expect(await completeAttempt(restarted(), dispatcher, attempt(id), { result: null, durationMs: 1 })).toEqual({
      ok: false,
      rejection: { reason: 'StaleAttempt', attempt: 1, current: 2 },
    });
  });

  it('records a failure and what follows from it in one append, with what it cost', async () => {
    const { commands, eventsOf } = setUp();
    const id = await submitted(commands);
    const cost = { currency: 'EUR', micros: 5 };
    await failAttempt(commands, dispatcher, attempt(id), { error: TROUBLE, cost });
    const [, failed, letter] = await eventsOf(id);
    expect(failed).toMatchObject({ type: 'TaskAttemptFailed', data: { cost, agentId: 'anna' } });
    expect(letter).toMatchObject({ type: 'TaskDeadLettered', data: { reason: 'not_retryable' } });
    expect(letter?.metadata.commandId).toBe(failed?.metadata.commandId);
  });

  it('refuses a second start, even by the same caller', async () => {
    const { commands, restarted } = setUp();
    const id = await submitted(commands);
    accepted(await startAttempt(commands, dispatcher, attempt(id)));
    for (const process of [commands, restarted()])
      expect(await startAttempt(process, dispatcher, attempt(id))).toEqual({
        ok: false,
        rejection: { reason: 'AttemptAlreadyStarted', attempt: 1 },
      });
  });

  it('is not called again when it is abandoned while another process starts its call', async () => {
    const { commands, restarted, typesOf } = setUp();
    const id = await submitted(commands);
    await commands.tasks.load(taskStream('acme', id));
    accepted(await startAttempt(restarted(), dispatcher, attempt(id)));
    accepted(await giveUpAttempt(commands, dispatcher, attempt(id), { ...TROUBLE, retryable: true }));
    expect(await typesOf(id)).toEqual(['TaskSubmitted', 'TaskAttemptStarted', 'TaskOutcomeUnknown']);
  });

  it('leaves an unknown outcome open for a late result, which a redrive makes stale', async () => {
    const { commands, typesOf } = setUp();
    const [settled, redriven] = [await submitted(commands), await submitted(commands)];
    for (const id of [settled, redriven])
      accepted(await markOutcomeUnknown(commands, dispatcher, attempt(id), TROUBLE));
    accepted(await redriveTask(commands, ada, redriven));
    const late = { result: null, durationMs: 1 };
    accepted(await completeAttempt(commands, dispatcher, attempt(settled), late));
    expect(await completeAttempt(commands, dispatcher, attempt(redriven), late)).toMatchObject({ ok: false });
    expect(await typesOf(settled)).toEqual(['TaskSubmitted', 'TaskOutcomeUnknown', 'TaskCompleted']);
    expect(await typesOf(redriven)).toEqual(['TaskSubmitted', 'TaskOutcomeUnknown', 'TaskRedriven']);
  });

  it('happens to a task at its deadline', async () => {
    const { clock, commands, typesOf } = setUp();
    const id = await submitted(commands, { deadlineAt: new Date(clock.now() + 1_000).toISOString() });
    expect(accepted(await expireTask(commands, dispatcher, id, 'anna'))).toMatchObject({ id });
    expect(await typesOf(id)).toEqual(['TaskSubmitted']);
    clock.advance(1_000);
    accepted(await expireTask(commands, dispatcher, id, 'anna'));
    expect(await typesOf(id)).toEqual(['TaskSubmitted', 'TaskAttemptFailed', 'TaskDeadLettered']);
  });
});

describe('redriving a task', () => {
  it('returns it to work with the next attempt', async () => {
    const { commands, eventsOf } = setUp();
    const id = await submitted(commands);
    await failAttempt(commands, dispatcher, { taskId: id, attempt: 1, agentId: 'a' }, { error: TROUBLE });
    accepted(await redriveTask(commands, ada, id, { deadlineAt: '2026-03-02T00:00:00+01:00' }));
    expect((await eventsOf(id)).at(-1)).toMatchObject({
      type: 'TaskRedriven',
      data: { nextAttempt: 2, deadlineAt: '2026-03-01T23:00:00.000Z' },
    });
  });

  it('refuses an invalid deadline', async () => {
    const { commands } = setUp();
    const id = await submitted(commands);
    expect(() => redriveTask(commands, ada, id, { deadlineAt: 'tomorrow' })).toThrow(
      expect.objectContaining({
        code: 'BAD_USER_INPUT',
        issues: [expect.objectContaining({ pointer: '/deadlineAt' })],
      }),
    );
  });
});

describe('reporting progress', () => {
  it('is recorded with its checkpoint', async () => {
    const { commands, eventsOf } = setUp();
    const id = await submitted(commands);
    accepted(await reportProgress(commands, dispatcher, id, { attempt: 1, percent: 40, checkpoint: { page: 7 } }));
    expect((await eventsOf(id)).at(-1)).toMatchObject({ data: { attempt: 1, percent: 40, checkpoint: { page: 7 } } });
  });

  it.each([{}, { attempt: 0 }, { attempt: 1, percent: 101 }, { attempt: 1, checkpoint: '\u0000' }])(
    'refuses %o',
    async (input) => {
      const { commands } = setUp();
      const id = await submitted(commands);
      expect(() => reportProgress(commands, dispatcher, id, input)).toThrow(
        expect.objectContaining({ code: 'BAD_USER_INPUT' }),
      );
    },
  );
});
