import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandsOver, type FakeClock, fakeClock, fakeIds } from '../../../test/support/fake-ports.ts';
import { memoryLease, memorySnapshots } from '../../../test/support/leading.ts';
import type { Commands } from '../../commands/context.ts';
import { startExecution } from '../../commands/execution/start-execution.ts';
import { cancelTask } from '../../commands/task/cancel-task.ts';
import { submitTask, submitTasks } from '../../commands/task/submit-task.ts';
import { publishWorkflow } from '../../commands/workflow/publish-workflow.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import { LogFeed } from '../../eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { systemClock } from '../../platform/clock.ts';
import { createLogger } from '../../platform/logger.ts';
import { BacklogAdmission } from './backlog-admission.ts';
import { BacklogWatch } from './backlog-watch.ts';

const TENANT = 'default';
const CALLER = { tenant: TENANT, actor: 'test' };
const LIMIT = 40;
const logger = createLogger('silent');
const within = { timeout: 10_000, interval: 1 };

let clock: FakeClock;
let store: EventStore;
let feed: LogFeed;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  clock = fakeClock(undefined, 'immediate');
  store = createMemoryEventStore({ clock });
  feed = await LogFeed.start({ store, clock: systemClock, logger });
});
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
  await feed.stop();
});

/** A process that accepts tasks. */
const accepting = async (space = 0): Promise<{ commands: Commands; watch: BacklogWatch }> => {
  const lease = memoryLease(systemClock);
  const watch = new BacklogWatch({
    tenant: TENANT,
    feed,
    snapshots: memorySnapshots(),
    acquireLease: () => lease.acquire(),
    clock,
    logger,
  });
  const stopping = new AbortController();
  const ended = watch.run(stopping.signal);
  stops.push(async () => {
    stopping.abort();
    await ended;
  });
  await expect.poll(() => watch.backlog, within).toBeDefined();
  const admission = new BacklogAdmission({ watch, clock, limit: LIMIT });
  return { commands: { ...commandsOver(store, { clock, ids: fakeIds(space) }), admission }, watch };
};

const submit = (commands: Commands, priority: number, idempotencyKey?: string) =>
  submitTask(commands, { ...CALLER, idempotencyKey }, { capability: 'work', priority });
const fill = (commands: Commands, count: number) =>
  submitTasks(commands, CALLER, { tasks: Array.from({ length: count }, () => ({ capability: 'work', priority: 1 })) });
const eventsOf = async () => (await store.readAll({ limit: 1_000 })).events.length;
const refusal = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('a pool in which many tasks wait', () => {
  it('refuses the least urgent first, at once and without an event, and says when to try again', async () => {
    const { commands } = await accepting();
    await fill(commands, 36);
    const before = await eventsOf();
    expect(await refusal(submit(commands, 5))).toMatchObject({
      code: 'POOL_FULL',
      message:
        '36 tasks wait in pool default, of at most 40: only tasks more urgent than priority 5 can be submitted to it until fewer do',
      retryable: true,
      retryAfterSeconds: 60,
      details: { pool: 'default', waiting: 36, limit: 40, refusedFrom: 5 },
    });
    expect(await eventsOf()).toBe(before);
    expect(await submit(commands, 4)).toMatchObject({ ok: true });
    expect(await refusal(submit(commands, 4))).toMatchObject({ details: { refusedFrom: 4 } });
    for (let n = 0; n < 3; n += 1) expect(await submit(commands, 1)).toMatchObject({ ok: true });
    expect(await refusal(submit(commands, 1))).toMatchObject({
      message: '40 tasks wait in pool default, of at most 40: no task can be submitted to it until fewer do',
    });
  });

  it('does not admit more than the bound in one call, however far behind the log is', async () => {
    const { commands } = await accepting();
    const items = await fill(commands, 60);
    expect(items.filter(({ ok }) => ok)).toHaveLength(LIMIT);
    expect(items.find(({ ok }) => !ok)).toMatchObject({ code: 'POOL_FULL' });
    expect(await eventsOf()).toBe(LIMIT);
  });

  it('answers a repeat from the record, whoever accepted it', async () => {
    const [one, two] = [await accepting(), await accepting(1)];
    const first = await submit(one.commands, 3, 'key');
    await fill(one.commands, 39);
    await expect.poll(() => two.watch.backlog?.waitingIn('default'), within).toBe(40);
    for (const { commands } of [one, two])
      expect(await submit(commands, 3, 'key')).toMatchObject({
        ok: true,
        value: { id: first.ok && first.value.id, repeated: true },
      });
    expect(await refusal(submit(two.commands, 3, 'other'))).toMatchObject({ code: 'POOL_FULL' });
  });

  it('refuses new executions, and no step of one that was accepted', async () => {
    const { commands, watch } = await accepting();
    const definition = {
      name: 'two',
      version: '1.0.0',
      agents: { worker: { capability: 'work' } },
      tasks: [
        { id: 'first', role: 'worker', priority: 5 },
        { id: 'second', role: 'worker', priority: 4, dependsOn: ['first'] },
      ],
    };
    await publishWorkflow(commands, CALLER, definition);
    await fill(commands, 36);
    expect(await startExecution(commands, CALLER, { workflow: 'two' })).toMatchObject({ ok: true });
    await expect.poll(() => watch.backlog?.waitingIn('default'), within).toBe(37);
    const before = await eventsOf();
    expect(await refusal(startExecution(commands, CALLER, { workflow: 'two' }))).toMatchObject({ code: 'POOL_FULL' });
    expect(await eventsOf()).toBe(before);
  });

  it('admits a class again at 0.8 of its mark', async () => {
    const { commands, watch } = await accepting();
    const items = await fill(commands, 36);
    expect(await refusal(submit(commands, 5))).toMatchObject({ code: 'POOL_FULL' });
    const ids = items.flatMap((item) => (item.ok ? [item.accepted.id] : []));
    const cancel = async (count: number) => {
      for (const id of ids.splice(0, count)) await cancelTask(commands, CALLER, id, {});
      await expect.poll(() => watch.backlog?.waitingIn('default'), within).toBe(ids.length);
    };
    await cancel(7);
    expect(await refusal(submit(commands, 5))).toMatchObject({ details: { waiting: 29 } });
    await cancel(1);
    expect(await submit(commands, 5)).toMatchObject({ ok: true });
  });

  it('does not count for ever what was admitted and then not recorded', async () => {
    const { commands } = await accepting();
    const broken = commandsOver({
      ...store,
      append: async () => {
        throw new Error('the log is away');
      },
    } as EventStore);
    const failing = { ...broken, ...(commands.admission ? { admission: commands.admission } : {}) };
    for (let n = 0; n < 50; n += 1) expect(await refusal(submit(failing, 1))).not.toMatchObject({ code: 'POOL_FULL' });
    expect(await submit(commands, 5)).toMatchObject({ ok: true });
  });
});
