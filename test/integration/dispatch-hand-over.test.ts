import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalHandOver } from '../../src/dispatch/attempts/local-hand-over.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { DispatchTest, localAgent } from '../support/dispatch-setup.ts';

let test: DispatchTest;
beforeEach(() => {
  test = new DispatchTest();
});
afterEach(() => test.close());

const handOverOf = ({ queues, localAgents, logger }: DispatchTest, concurrency = 20): LocalHandOver =>
  new LocalHandOver({
    queue: queues.attempts,
    isHere: (agent) => localAgents.find(agent) !== undefined,
    concurrency: () => concurrency,
    clock: systemClock,
    logger,
  });

describe('an attempt handed over', () => {
  it('is called and recorded without a job in Redis', async () => {
    test.localAgents.register(localAgent('near'), () => 'done');
    await test.registerLocal('near');
    const handOver = handOverOf(test);
    const dispatcher = await test.dispatcher({ handOver });
    const taskId = await test.submit({});
    const jobs = [test.job(taskId, 'near', 'local')];
    await handOver.offer(jobs, 'first');
    await expect(test.outcome(taskId)).resolves.toMatchObject({ type: 'TaskCompleted', data: { result: 'done' } });
    expect(dispatcher.counters).toMatchObject({ jobs: 1, handedOver: 1, completed: 1 });
    expect(await test.redis.exists(`${test.queueOptions.prefix}:local.default.near:id`)).toBe(0);
  });

  it('is not called twice when it is offered again, even by another process through the queue', async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let calls = 0;
    test.localAgents.register(localAgent('slow'), async () => {
      calls += 1;
      await released;
      return 'once';
    });
    await test.registerLocal('slow');
    const handOver = handOverOf(test);
    const dispatcher = await test.dispatcher({ handOver });
    const taskId = await test.submit({});
    const jobs = [test.job(taskId, 'slow', 'local')];
    await handOver.offer(jobs, 'first');
    await expect.poll(() => dispatcher.counters.inFlight).toBe(1);
    await handOver.offer(jobs, 'again');
    await test.queues.attempts.offer(jobs);
    await expect.poll(() => dispatcher.counters.jobs).toBe(2);
    release();
    await expect(test.outcome(taskId)).resolves.toMatchObject({ data: { result: 'once' } });
    expect(calls).toBe(1);
  });

  it('moves to another dispatcher at shutdown, whether it ran or waited', async () => {
    let calls = 0;
    test.localAgents.register(localAgent('moved'), async (input) => {
      calls += 1;
      return calls === 1 ? new Promise<never>(() => {}) : input;
    });
    await test.registerLocal('moved');
    const handOver = handOverOf(test, 1);
    const first = await test.dispatcher({ handOver });
    const taskIds = [await test.submit('running'), await test.submit('waiting')];
    await handOver.offer(
      taskIds.map((taskId) => test.job(taskId, 'moved', 'local')),
      'first',
    );
    await expect.poll(() => first.counters.inFlight).toBe(1);
    await first.stop(50);
    expect(first.counters).toMatchObject({ handedOver: 1, handedBack: 1, inFlight: 0 });
    await test.dispatcher();
    const outcomes = await Promise.all(taskIds.map((taskId) => test.outcome(taskId)));
    expect(outcomes).toMatchObject([{ data: { result: 'running' } }, { data: { result: 'waiting' } }]);
    expect(calls).toBe(3);
  });

  it('whose task cannot be read at first is delivered again', async () => {
    test.localAgents.register(localAgent('steady'), () => 'read later');
    await test.registerLocal('steady');
    const taskId = await test.submit({});
    const load = test.commands.tasks.load.bind(test.commands.tasks);
    let failures = 1;
    test.commands.tasks.load = async (...args) => {
      failures -= 1;
      if (failures >= 0) throw new Error('the log is unreachable');
      return load(...args);
    };
    const handOver = handOverOf(test);
    const dispatcher = await test.dispatcher({ handOver });
    await handOver.offer([test.job(taskId, 'steady', 'local')], 'first');
    await expect(test.outcome(taskId)).resolves.toMatchObject({ data: { result: 'read later' } });
    expect(dispatcher.counters).toMatchObject({ jobs: 2, redelivered: 1, calls: 1, completed: 1 });
  });
});

describe('an attempt that is to be withdrawn', () => {
  const ready = async (agentId: string) => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    test.localAgents.register(localAgent(agentId), () => released.then(() => 'done'));
    await test.registerLocal(agentId);
    const job = async () => test.job(await test.submit({}), agentId, 'local');
    return { release, jobs: [await job(), await job()] as const };
  };

  it('is removed from its queue as long as no dispatcher has taken it', async () => {
    const { attempts } = test.queues;
    const { jobs, release } = await ready('far');
    expect(await attempts.withdraw(jobs[0])).toEqual({ kind: 'missing' });
    await attempts.offer(jobs, 'first');
    await attempts.offer(jobs, 'again');
    expect(await attempts.withdraw(jobs[0])).toEqual({ kind: 'untaken', agentId: 'far' });
    const before = Date.now();
    const dispatcher = await test.dispatcher();
    await expect.poll(() => dispatcher.counters.inFlight).toBe(1);
    expect(await attempts.withdraw(jobs[0])).toEqual({ kind: 'missing' });
    const withdrawn = await attempts.withdraw(jobs[1]);
    expect(withdrawn.kind === 'taken' && withdrawn.sinceMs).toBeGreaterThanOrEqual(before);
    release();
    await test.outcome(jobs[1].taskId);
    expect(dispatcher.counters.calls).toBe(1);
  });

  it('stays when another dispatcher may have had it before, and waits for a dispatcher', async () => {
    const { attempts } = test.queues;
    const { jobs } = await ready('far');
    await attempts.offer(jobs, 'again');
    expect(await attempts.withdraw(jobs[0])).toEqual({ kind: 'waiting' });
    expect(await attempts.withdraw(jobs[0])).toEqual({ kind: 'waiting' });
  });

  it('is removed from this process as long as it waits for capacity of its agent', async () => {
    const { jobs, release } = await ready('near');
    const handOver = handOverOf(test, 1);
    const dispatcher = await test.dispatcher({ handOver });
    await handOver.offer(jobs, 'first');
    await expect.poll(() => dispatcher.counters.inFlight).toBe(1);
    expect(await handOver.withdraw(jobs[0])).toMatchObject({ kind: 'taken' });
    expect(await handOver.withdraw(jobs[1])).toEqual({ kind: 'untaken', agentId: 'near' });
    release();
    await test.outcome(jobs[0].taskId);
    await handOver.empty();
    expect(dispatcher.counters.calls).toBe(1);
  });
});
