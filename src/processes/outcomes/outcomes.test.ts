import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandsOver } from '../../../test/support/fake-ports.ts';
import { appendFromNewerBuild } from '../../../test/support/newer-build.ts';
import { followOutcomes } from '../../../test/support/outcomes.ts';
import type { Commands } from '../../commands/context.ts';
import { cancelTask } from '../../commands/task/cancel-task.ts';
import { submitTask } from '../../commands/task/submit-task.ts';
import { executionStream, taskStream } from '../../domain/ids.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import { LogFeed } from '../../eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { systemClock } from '../../platform/clock.ts';
import { createLogger } from '../../platform/logger.ts';

const TENANT = 'default';
const CALLER = { tenant: TENANT, actor: 'test' };
const EXECUTION = '7c9e6679-7425-5e0d-9a5b-6f1f0a7d3c21';
const logger = createLogger('silent');

let store: EventStore;
let feed: LogFeed;
let commands: Commands;
let outcomes: ReturnType<typeof followOutcomes>;

beforeEach(async () => {
  store = createMemoryEventStore({ clock: systemClock });
  feed = await LogFeed.start({ store, clock: systemClock, logger });
  commands = commandsOver(store, { clock: systemClock });
  outcomes = followOutcomes({ store, feed, commands });
});

afterEach(async () => {
  await outcomes.stop();
  await feed.stop();
});

const submit = async (): Promise<string> => {
  const submitted = await submitTask(commands, CALLER, { capability: 'work' });
  if (!submitted.ok) throw new Error(submitted.rejection.reason);
  return submitted.value.id;
};

describe('an event of a newer build in the stream of a task', () => {
  it.each([
    ['of a type that this build does not know', { type: 'TaskDelegated', data: {} }],
    ['of a newer schema version', { type: 'TaskCompleted', schemaVersion: 99, data: {} }],
  ])('%s is reported only to those who wait for that task', async (_, event) => {
    const { tasks } = outcomes;
    const [one, other] = [await submit(), await submit()];
    const waits = [tasks.wait(TENANT, one), tasks.wait(TENANT, other)] as const;
    await new Promise(setImmediate);
    await appendFromNewerBuild(store, taskStream(TENANT, one), event);
    await expect(waits[0]).rejects.toThrow(`this build cannot read ${event.type} at revision 1`);
    await cancelTask(commands, CALLER, other);
    expect(await waits[1]).toEqual({ status: 'cancelled' });
    expect(tasks.unreadable).toBe(1);
  });
});

describe('an event of a newer build in the stream of an execution', () => {
  it('is reported to those who wait for that execution', async () => {
    const { executions } = outcomes;
    const wait = executions.wait(TENANT, EXECUTION);
    await new Promise(setImmediate);
    const event = { type: 'ExecutionCompleted', schemaVersion: 99, data: {} };
    await appendFromNewerBuild(store, executionStream(TENANT, EXECUTION), event);
    await expect(wait).rejects.toThrow('this build cannot read ExecutionCompleted at revision 0');
    expect(executions.unreadable).toBe(1);
  });
});
