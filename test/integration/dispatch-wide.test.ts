import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startExecution } from '../../src/commands/execution/start-execution.ts';
import { publishWorkflow } from '../../src/commands/workflow/publish-workflow.ts';
import { executionStream, isIn } from '../../src/domain/ids.ts';
import { countAppends } from '../../src/eventstore/counted-event-store.ts';
import type { EventStore, StoredEvent } from '../../src/eventstore/event-store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { redisTurns } from '../../src/platform/redis-turns.ts';
import { caller, commandsOn, DispatchTest, localAgent } from '../support/dispatch-setup.ts';

const BRANCHES = 120;
/** As long as an append to a store over the network may take: the log in memory is too fast for writers to meet. */
const APPEND_MS = 10;

let test: DispatchTest;
beforeEach(() => {
  test = new DispatchTest();
});
afterEach(() => test.close());

/** Offers each task of the execution as soon as it is submitted, as an assigner would. */
const offerAll = (agentId: string): (() => void) => {
  const offering = test.store.subscribeAll(
    {
      onEvent({ type, stream, data }: StoredEvent) {
        if (type !== 'TaskSubmitted' || !isIn('execution', stream)) return;
        const { taskId, executionId } = data as { taskId: string; executionId: string };
        void test.queues.attempts.offer([{ ...test.job(taskId, agentId, 'local'), executionId }]);
      },
    },
    {},
  );
  return () => offering.stop();
};

describe('an execution of many branches', () => {
  it('is worked on by two dispatchers that meet at its stream, and each branch ends once', async () => {
    const slow: EventStore = {
      ...test.store,
      async append(...args) {
        await sleep(APPEND_MS);
        return test.store.append(...args);
      },
    };
    const { store, appends } = countAppends(slow, systemClock);
    const turns = () =>
      redisTurns(test.redis, {
        prefix: test.queueOptions.prefix,
        clock: systemClock,
        random: Math.random,
        logger: test.logger,
      });
    test.localAgents.register(localAgent('worker'), () => 'done', 100);
    await test.registerLocal('worker');
    const dispatchers = [
      await test.dispatcher({ commands: commandsOn(store, turns()) }),
      await test.dispatcher({ commands: commandsOn(store, turns()) }),
    ];
    await publishWorkflow(test.commands, caller, {
      name: 'wide',
      version: '1.0.0',
      tasks: [{ id: 'branch', capability: 'work', forEach: { items: 'input.items' } }],
      coordination: { maxParallel: 30 },
    });
    const stop = offerAll('worker');
    const started = await startExecution(test.commands, caller, {
      workflow: 'wide',
      input: { items: Array.from({ length: BRANCHES }, (_, index) => index) },
    });
    if (!started.ok) throw new Error(started.rejection.reason);
    const stream = executionStream('default', started.value.id);
    const typesOf = async () => (await test.store.readStream(stream)).map(({ type }) => type);
    await expect.poll(typesOf, { timeout: 20_000, interval: 100 }).toContain('ExecutionCompleted');
    stop();

    const ended = (await test.store.readStream(stream)).filter(({ type }) => type === 'TaskCompleted');
    expect(new Set(ended.map(({ data }) => (data as { taskId: string }).taskId)).size).toBe(BRANCHES);
    expect(ended).toHaveLength(BRANCHES);
    for (const { counters } of dispatchers) expect(counters.completed).toBeGreaterThan(0);
    expect(appends.conflicts).toBeGreaterThan(0);
  });
});
