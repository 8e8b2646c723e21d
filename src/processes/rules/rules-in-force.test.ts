import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandsOver, type FakeClock, fakeClock, fakeIds } from '../../../test/support/fake-ports.ts';
import type { Commands } from '../../commands/context.ts';
import { startExecution } from '../../commands/execution/start-execution.ts';
import { disableRule, removeRule, setRule } from '../../commands/rules/set-rule.ts';
import { tryRules } from '../../commands/rules/try-rules.ts';
import { completeAttempt } from '../../commands/task/close-attempt.ts';
import { redriveTask } from '../../commands/task/redrive-task.ts';
import { submitTask } from '../../commands/task/submit-task.ts';
import { publishWorkflow } from '../../commands/workflow/publish-workflow.ts';
import { rulesStream } from '../../domain/ids.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import { LogFeed } from '../../eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { systemClock } from '../../platform/clock.ts';
import { createLogger } from '../../platform/logger.ts';
import { RulesInForce } from './rules-in-force.ts';

const CALLER = { tenant: 'default', actor: 'ada' };
const GOLD = { name: 'gold', when: '"gold" in tags', strategy: 'failover', targets: ['a', 'b'] };
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
const accepting = (space = 0): Commands => {
  const commands = commandsOver(store, { clock, ids: fakeIds(space) });
  const routing = new RulesInForce(commands.rules);
  const stopping = new AbortController();
  const ended = routing.run({ feed, clock: systemClock, logger }, stopping.signal);
  stops.push(async () => {
    stopping.abort();
    await ended;
  });
  return { ...commands, routing };
};

const submitted = async (commands: Commands, task: object = {}, idempotencyKey?: string) => {
  const result = await submitTask(
    commands,
    { ...CALLER, idempotencyKey },
    { capability: 'work', tags: ['gold'], ...task },
  );
  if (!result.ok) throw new Error(result.rejection.reason);
  const { events } = await store.readAll({ limit: 1_000 });
  return events.find(
    ({ type, data }) => type === 'TaskSubmitted' && (data as { taskId: string }).taskId === result.value.id,
  )?.data as Record<string, unknown>;
};
const refusal = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
const eventsOf = async () => (await store.readAll({ limit: 1_000 })).events.length;

/** Appends what no build knows. */
const fromTheFuture = async () => {
  const events = await store.readStream(rulesStream('default'));
  const { metadata, revision } = events.at(-1)!;
  await store.append(
    rulesStream('default'),
    [{ id: fakeIds(9).next(), type: 'RoutingRuleFromTheFuture', data: {}, metadata }],
    { expectedRevision: revision },
  );
};

describe('a task that a rule holds of', () => {
  it('is routed by it, and keeps which version that was', async () => {
    const commands = accepting();
    expect(await setRule(commands, CALLER, GOLD)).toMatchObject({ ok: true, value: { id: 'gold', repeated: false } });
    const first = await submitted(commands);
    expect(first).toMatchObject({ strategy: 'failover', targets: ['a', 'b'], rule: { name: 'gold', version: 1 } });
    expect(await submitted(commands, { tags: [] })).toMatchObject({ strategy: 'least_loaded' });
    expect(await submitted(commands, { tags: [] })).not.toHaveProperty('rule');
    await setRule(commands, CALLER, { ...GOLD, targets: ['c'] });
    expect(await submitted(commands)).toMatchObject({ targets: ['c'], rule: { name: 'gold', version: 2 } });
    await disableRule(commands, CALLER, 'gold');
    expect(await submitted(commands)).not.toHaveProperty('rule');
    expect(first).toMatchObject({ rule: { version: 1 } });
  });

  it('is not, where it says itself what the rule would', async () => {
    const commands = accepting();
    await setRule(commands, CALLER, GOLD);
    for (const stated of [{ strategy: 'least_loaded' }, { targets: ['z'] }])
      expect(await submitted(commands, stated)).toMatchObject({ strategy: 'least_loaded', ...stated });
    expect(await submitted(commands, { strategy: 'least_loaded' })).not.toHaveProperty('rule');
    expect(await submitted(commands, { versionRange: '^1' })).toMatchObject({
      versionRange: '^1',
      rule: { name: 'gold', version: 1 },
    });
  });

  it('gets the key of its submitter where the strategy of the rule goes by keys', async () => {
    const commands = accepting();
    await setRule(commands, CALLER, { name: 'sticky', when: 'true', strategy: 'affinity' });
    expect(await submitted(commands)).toMatchObject({ strategy: 'affinity', affinityKey: 'ada' });
  });

  it('is the same for the same idempotency key, whatever the rules say by then', async () => {
    const commands = accepting();
    const first = await submitted(commands, {}, 'key');
    await setRule(commands, CALLER, GOLD);
    expect(await submitted(commands, {}, 'key')).toEqual(first);
    expect(await submitted(commands, { strategy: 'least_loaded' }, 'key')).toEqual(first);
  });

  it('is routed by it still when it is redriven', async () => {
    const commands = accepting();
    await setRule(commands, CALLER, GOLD);
    const { taskId } = (await submitted(commands)) as { taskId: string };
    const error = { code: 'X', message: 'x', source: 'agent' as const, retryable: false };
    const now = new Date(clock.now()).toISOString();
    await commands.tasks.execute({
      stream: `task-default.${taskId}`,
      command: { type: 'FailAttempt', attempt: 1, error, random: 0, now, agentId: 'a' },
      context: {
        tenant: 'default',
        commandId: clock.now().toString(),
        correlationId: taskId,
        causationId: taskId,
        actor: 'x',
      },
      at: now,
    });
    await removeRule(commands, CALLER, 'gold');
    expect(await redriveTask(commands, CALLER, taskId, {})).toMatchObject({ ok: true });
    const [redriven] = (await store.readAll({ limit: 1_000 })).events.slice(-1);
    expect(redriven).toMatchObject({
      type: 'TaskRedriven',
      data: { rule: { name: 'gold', version: 1 }, strategy: 'failover' },
    });
  });
});

describe('the tasks of an execution', () => {
  const definition = {
    name: 'two',
    version: '1.0.0',
    agents: {
      worker: { capability: 'work' },
      chosen: { capability: 'work', strategy: 'weighted', targets: ['z'] },
    },
    tasks: [
      { id: 'first', role: 'worker', tags: ['gold'] },
      { id: 'stated', role: 'chosen', tags: ['gold'] },
      { id: 'second', role: 'worker', tags: ['gold'], dependsOn: ['first'] },
    ],
  };
  const ofSteps = async () =>
    Object.fromEntries(
      (await store.readAll({ limit: 1_000 })).events
        .filter(({ type }) => type === 'TaskSubmitted')
        .map(({ data }) => data as { unit: string; taskId: string; strategy: string; rule?: unknown })
        .map((task) => [task.unit, task]),
    );
  const complete = (commands: Commands, taskId: string, executionId: string) =>
    completeAttempt(
      commands,
      CALLER,
      { taskId, executionId, attempt: 1, agentId: 'a' },
      { result: null, durationMs: 1 },
    );

  it('are routed by the rules that hold when each is submitted, except where their role says it', async () => {
    const commands = accepting();
    await setRule(commands, CALLER, GOLD);
    await publishWorkflow(commands, CALLER, definition);
    const started = await startExecution(commands, CALLER, { workflow: 'two' });
    const { first, stated } = await ofSteps();
    expect(first).toMatchObject({ strategy: 'failover', targets: ['a', 'b'], rule: { name: 'gold', version: 1 } });
    expect(stated).toMatchObject({ strategy: 'weighted', targets: ['z'] });
    expect(stated).not.toHaveProperty('rule');
    await setRule(commands, CALLER, { ...GOLD, targets: ['c'] });
    await complete(commands, first?.taskId ?? '', started.ok ? started.value.id : '');
    expect((await ofSteps())['second']).toMatchObject({ targets: ['c'], rule: { name: 'gold', version: 2 } });
  });

  it('are of one variant, whatever their ids', async () => {
    const commands = accepting();
    const variants = [{ name: 'v2', percent: 50, strategy: 'weighted' }];
    await setRule(commands, CALLER, { name: 'split', when: 'true', variants });
    const tasks = Array.from({ length: 20 }, (_, at) => ({ id: `step-${at}`, role: 'worker' }));
    await publishWorkflow(commands, CALLER, { ...definition, tasks });
    await startExecution(commands, CALLER, { workflow: 'two' });
    const rules = Object.values(await ofSteps()).map(({ rule }) => JSON.stringify(rule));
    expect([rules.length, new Set(rules).size]).toEqual([20, 1]);
  });

  it('go on where the rules cannot be read: what agents have done is recorded all the same', async () => {
    const commands = accepting();
    await setRule(commands, CALLER, GOLD);
    await publishWorkflow(commands, CALLER, definition);
    const started = await startExecution(commands, CALLER, { workflow: 'two' });
    await fromTheFuture();
    commands.routing?.changed('default');
    expect(await refusal(submitted(commands))).toMatchObject({ code: 'UNAVAILABLE' });
    const { first } = await ofSteps();
    await complete(commands, first?.taskId ?? '', started.ok ? started.value.id : '');
    expect((await ofSteps())['second']).toMatchObject({ rule: { name: 'gold', version: 1 } });
  });
});

describe('the rules as processes know them', () => {
  it('hold in the process that took them at once, and in others when those have read the log', async () => {
    const [one, two] = [accepting(), accepting(1)];
    expect(await submitted(two)).not.toHaveProperty('rule');
    await setRule(one, CALLER, GOLD);
    expect(await submitted(one)).toMatchObject({ rule: { version: 1 } });
    await expect.poll(async () => (await submitted(two))['rule'], within).toEqual({ name: 'gold', version: 1 });
  });

  it('are those of one tenant', async () => {
    const commands = accepting();
    await setRule(commands, { ...CALLER, tenant: 'other' }, GOLD);
    expect(await submitted(commands)).not.toHaveProperty('rule');
  });

  it('are not guessed while they cannot be read: nothing is submitted', async () => {
    const commands = accepting();
    await setRule(commands, CALLER, GOLD);
    await fromTheFuture();
    const other = accepting(2);
    const before = await eventsOf();
    expect(await refusal(submitted(other))).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await eventsOf()).toBe(before);
  });
});

describe('bad input', () => {
  it.each([
    [{ ...GOLD, priority: 1_001 }, '/priority'],
    [{ ...GOLD, strategy: 'best' }, '/strategy'],
    [{ ...GOLD, when: 'input.list.all(x, x > 1)' }, '/when'],
    [{ ...GOLD, when: 7 }, '/when'],
    [{ ...GOLD, variants: [{ name: 'v2', percent: 101 }] }, '/variants/0/percent'],
  ])('is refused with the field that is wrong, and nothing is recorded: %j', async (rule, pointer) => {
    const commands = accepting();
    const error = await refusal(setRule(commands, CALLER, rule));
    expect(error).toMatchObject({ code: 'BAD_USER_INPUT', issues: [{ pointer }] });
    expect(await eventsOf()).toBe(0);
  });

  it('of a rule that is not there is NOT_FOUND', async () => {
    const commands = accepting();
    for (const name of ['gold', 'no name'])
      expect(await refusal(disableRule(commands, CALLER, name))).toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('trying the rules', () => {
  it('says what would become of a task, and what each rule makes of it', async () => {
    const commands = accepting();
    await setRule(commands, CALLER, GOLD);
    await setRule(commands, CALLER, {
      name: 'all',
      when: 'true',
      priority: 1,
      variants: [{ name: 'v2', percent: 50, versionRange: '^2' }],
    });
    const before = await eventsOf();
    expect(await tryRules(commands, CALLER, { capability: 'work', tags: ['gold'] })).toMatchObject({
      routed: { rule: { name: 'gold', version: 1 } },
      route: { strategy: 'failover', targets: ['a', 'b'] },
      trials: [{ outcome: 'chosen' }, { outcome: 'after_the_chosen' }],
    });
    expect(await tryRules(commands, CALLER, { capability: 'work' })).toMatchObject({
      routed: { rule: { name: 'all', version: 1 }, variantOpen: true },
      route: { strategy: 'least_loaded' },
      trials: [{ outcome: 'no_match' }, { outcome: 'chosen' }],
    });
    expect(await refusal(tryRules(commands, CALLER, { capability: 'work', priority: 9 }))).toMatchObject({
      issues: [{ pointer: '/priority' }],
    });
    expect(await eventsOf()).toBe(before);
  });
});
