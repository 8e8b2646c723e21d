import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventsOf, pauseAndResume, startGate } from '../../../test/support/execution-fixtures.ts';
import { commandsOver, fakeClock, fakeRandom } from '../../../test/support/fake-ports.ts';
import type { Commands } from '../../commands/context.ts';
import { startExecution } from '../../commands/execution/start-execution.ts';
import { cancelTask } from '../../commands/task/cancel-task.ts';
import { reportProgress } from '../../commands/task/report-progress.ts';
import { submitTask } from '../../commands/task/submit-task.ts';
import { publishWorkflow } from '../../commands/workflow/publish-workflow.ts';
import { executionStream, taskStream } from '../../domain/ids.ts';
import type { EventStore, Position } from '../../eventstore/event-store.ts';
import { LogFeed } from '../../eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { createLogger } from '../../platform/logger.ts';
import { Hub } from './hub.ts';
import type { TaskChange } from './task-changes.ts';
import type { Interest } from './topic.ts';

const caller = { tenant: 'default', actor: 'test' };
const logger = createLogger('silent');
const everything: Interest<TaskChange> = { tenant: 'default', matches: () => true };

let store: EventStore;
let feed: LogFeed;
let hub: Hub;
let commands: Commands;
let gone: AbortController;

beforeEach(async () => {
  const clock = fakeClock(undefined, 'immediate');
  store = createMemoryEventStore({ clock });
  commands = commandsOver(store, { clock });
  feed = await LogFeed.start({ store, clock, logger, ringEvents: 50 });
  hub = new Hub({ feed, store, logger });
  gone = new AbortController();
});
afterEach(async () => {
  gone.abort();
  await hub.stop();
  await feed.stop();
  await store.close();
});

const submit = async (): Promise<{ id: string; position: Position }> => {
  const result = await submitTask(commands, caller, { capability: 'echo' });
  if (!result.ok) throw new Error(result.rejection.reason);
  return result.value;
};

const follow = (interest: Interest<TaskChange>, after?: Position) =>
  hub.follow(hub.tasks, { interest, after, limit: 1_000, most: 100, signal: gone.signal });

const collect = async (changes: AsyncIterable<TaskChange[]>, count: number): Promise<TaskChange[]> => {
  const all: TaskChange[] = [];
  for await (const some of changes) {
    all.push(...some);
    if (all.length >= count) break;
  }
  return all;
};

const positionsOf = (entries: readonly { position: Position }[]): Position[] => entries.map(({ position }) => position);

const logPositions = async (after: Position): Promise<Position[]> =>
  positionsOf((await store.readAll({ limit: 10_000 })).events).filter((position) => position > after);

describe('following one task', () => {
  it('sends its events and no others', async () => {
    const one = await submit();
    const changes = collect(follow({ subject: taskStream('default', one.id) }, 0n), 3);
    await submit();
    await reportProgress(commands, caller, one.id, { attempt: 1, percent: 10 });
    await cancelTask(commands, caller, one.id);
    expect((await changes).map(({ type }) => type)).toEqual(['TaskSubmitted', 'TaskProgressReported', 'TaskCancelled']);
  });

  it('starts with the next event when no position is given', async () => {
    const one = await submit();
    await expect.poll(() => feed.head).toBe(one.position);
    await new Promise((resolve) => setImmediate(resolve));
    const changes = collect(follow({ subject: taskStream('default', one.id) }), 1);
    await cancelTask(commands, caller, one.id);
    expect((await changes).map(({ type }) => type)).toEqual(['TaskCancelled']);
  });

  it('ends when its reader is gone, even if nothing happens', async () => {
    const one = await submit();
    const changes = follow({ subject: taskStream('default', one.id) }, one.position);
    const next = changes.next();
    await expect.poll(() => hub.subscriptions).toBe(1);
    gone.abort();
    expect(await next).toMatchObject({ done: true });
    expect(hub.subscriptions).toBe(0);
  });
});

describe('following one execution', () => {
  const followExecution = (of: Hub, executionId: string) =>
    of.followStream(of.executions, executionStream('default', executionId), {
      limit: 1_000,
      most: 100,
      signal: gone.signal,
    });

  it('sends every event of its stream, however far back', async () => {
    const executionId = await startGate({ commands });
    await pauseAndResume({ commands }, executionId, 300);
    const seen: bigint[] = [];
    for await (const changes of followExecution(hub, executionId)) {
      seen.push(...changes.map(({ revision }) => revision));
      if (seen.length >= 602) break;
    }
    expect(seen).toEqual((await eventsOf({ store }, executionId)).map(({ revision }) => revision));
  });

  it('ends instead of skipping events that a lagging node does not have', async () => {
    const executionId = await startGate({ commands });
    const behind: Pick<EventStore, 'readStream' | 'head'> = {
      head: () => store.head(),
      readStream: async (...args) => (await store.readStream(...args)).filter(({ revision }) => revision < 1n),
    };
    const stale = new Hub({ feed, store: behind, logger });
    const changes = followExecution(stale, executionId);
    expect(await changes.next()).toMatchObject({ value: [{ type: 'ExecutionStarted' }] });
    const next = changes.next();
    await expect.poll(() => stale.subscriptions).toBe(1);
    await pauseAndResume({ commands }, executionId, 1);
    await expect(next).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    await stale.stop();
  });

  it('includes the tasks it runs among all tasks', async () => {
    const changes = collect(follow(everything, 0n), 1);
    await publishWorkflow(commands, caller, { name: 'w', version: '1.0.0', tasks: [{ id: 'a', capability: 'echo' }] });
    await startExecution(commands, caller, { workflow: 'w' });
    expect(await changes).toMatchObject([{ type: 'TaskSubmitted' }]);
  });
});

describe('following everything', () => {
  it('is without gap or repetition from any position on, while the log grows', async () => {
    const first = await submit();
    const starts: Position[] = [0n, first.position];
    const writing = (async () => {
      for (let i = 0; i < 300; i += 1) starts.push((await submit()).position);
    })();
    const readers: Promise<void>[] = [];
    for (let i = 0; i < 40; i += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      const after = starts[Math.floor(fakeRandom(i)() * starts.length)] as Position;
      readers.push(
        (async () => {
          const seen = await collect(follow(everything, after), 100);
          expect(positionsOf(seen)).toEqual((await logPositions(after)).slice(0, seen.length));
        })(),
      );
    }
    await writing;
    await Promise.all(Array.from({ length: 120 }, submit));
    await Promise.all(readers);
  });
});
