import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cancelTask } from '../../src/commands/task/cancel-task.ts';
import { failAttempt } from '../../src/commands/task/close-attempt.ts';
import { redriveTask } from '../../src/commands/task/redrive-task.ts';
import { createQueues } from '../../src/dispatch/queues/attempt-queue.ts';
import { type DeadLetter, followDeadLetters, syncDeadLetters } from '../../src/dispatch/queues/dead-letter-board.ts';
import { startRedis } from '../../src/embedded/redis.ts';
import { LogFeed } from '../../src/eventstore/log-feed.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { caller, DispatchTest, localAgent } from '../support/dispatch-setup.ts';
import { RUN_WITH_BATON } from '../support/run-source.ts';

let test: DispatchTest;
beforeEach(() => {
  test = new DispatchTest();
});
afterEach(() => test.close());

describe('a dispatcher that is killed', () => {
  it('loses its job to another one, which calls the agent again', async () => {
    test.localAgents.register(localAgent('survivor'), (_, { attempt }) => `attempt ${attempt} again`);
    await test.registerLocal('survivor');
    const taskId = await test.submit({});
    await test.queues.attempts.offer([test.job(taskId, 'survivor', 'local')]);
    // The part of the victim is played by a process that takes the job from Redis and is killed with it in hand.
    const victim = fork(new URL('../support/dispatch-victim.ts', import.meta.url), {
      execArgv: [...RUN_WITH_BATON],
      env: {
        ...process.env,
        REDIS: test.queueOptions.redisUrl,
        PREFIX: test.queueOptions.prefix,
        QUEUE: 'local.default.survivor',
      },
    });
    const [taken] = await once(victim, 'message');
    expect(taken).toBe(`${taskId}.1`);
    victim.kill('SIGKILL');
    const killedAt = performance.now();
    const dispatcher = await test.dispatcher();
    await expect(test.outcome(taskId)).resolves.toMatchObject({ data: { result: 'attempt 1 again' } });
    // Locks of 2 s, looked at each 0.5 s.
    expect(performance.now() - killedAt).toBeLessThan(6_000);
    expect(dispatcher.counters).toMatchObject({ jobs: 1, redelivered: 1, completed: 1 });
  });
});

describe('Redis killed and started empty', () => {
  it('costs time but no task: open attempts are offered again and completed', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'baton-dispatch-redis-'));
    const logger = createLogger('silent');
    const options = { dataDir, logger, allowInstall: false, durable: false };
    let redis = await startRedis(options);
    const queueOptions = { redisUrl: redis.url, prefix: 'killed', logger };
    const queues = createQueues(queueOptions);
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let calls = 0;
    test.localAgents.register(localAgent('patient'), async (input) => {
      calls += 1;
      if (input === 'held') await released;
      return input;
    });
    await test.registerLocal('patient');
    const dispatcher = await test.dispatcher({ workers: test.workers(queueOptions) });
    const held = await test.submit('held');
    await queues.attempts.offer([test.job(held, 'patient', 'local')]);
    await expect.poll(() => dispatcher.counters.inFlight).toBe(1);
    await queues.attempts.ensureSentinel();

    process.kill(redis.pid, 'SIGKILL');
    const later = await test.submit('later');
    const jobs = [held, later].map((taskId) => test.job(taskId, 'patient', 'local'));
    await expect(queues.attempts.offer(jobs)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(queues.attempts.ensureSentinel()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await redis.stop();
    redis = await startRedis({ ...options, port: redis.port });

    await expect
      .poll(() => queues.attempts.ensureSentinel().catch(() => 'away'), { timeout: 15_000 })
      .toBe('recreated');
    await queues.attempts.offer(jobs);
    await expect(test.outcome(later)).resolves.toMatchObject({ data: { result: 'later' } });
    release();
    await expect(test.outcome(held)).resolves.toMatchObject({ data: { result: 'held' } });
    expect(calls).toBe(2);
    await dispatcher.stop(1_000);
    await queues.close();
    await redis.stop();
    await rm(dataDir, { recursive: true });
  });
});

describe('the board of dead letters', () => {
  const listed = async (): Promise<string[]> => {
    const letters: DeadLetter[] = [];
    for await (const letter of test.queues.deadLetters.list()) letters.push(letter);
    return letters.map(({ taskId }) => taskId).sort();
  };

  const deadLetter = async (): Promise<string> => {
    const taskId = await test.submit({});
    await failAttempt(
      test.commands,
      caller,
      { taskId, attempt: 1, agentId: 'x' },
      {
        error: { code: 'BROKEN', message: 'secret', source: 'agent', retryable: false },
      },
    );
    return taskId;
  };

  it('follows the log: dead letters appear, redriven and cancelled ones disappear', async () => {
    const feed = await LogFeed.start({ store: test.store, clock: systemClock, logger: test.logger });
    const stop = new AbortController();
    const following = followDeadLetters({
      queue: test.queues.deadLetters,
      feed,
      clock: systemClock,
      logger: test.logger,
      signal: stop.signal,
    });
    const [kept, redriven, cancelled] = [await deadLetter(), await deadLetter(), await deadLetter()];
    await expect.poll(listed).toEqual([kept, redriven, cancelled].sort());
    await redriveTask(test.commands, caller, redriven);
    await cancelTask(test.commands, caller, cancelled);
    await expect.poll(listed).toEqual([kept]);
    const stored = await test.redis.hgetall(`${test.queueOptions.prefix}:dead-letter:default.${kept}`);
    expect(stored['name']).toBe('BROKEN');
    expect(JSON.stringify(stored)).not.toContain('secret');
    stop.abort();
    await following;
    await feed.stop();
  });

  it('is rebuilt from the open dead letters', async () => {
    const letter = (taskId: string): DeadLetter => ({
      tenant: 'default',
      taskId,
      reason: 'not_retryable',
      attempts: 1,
      errorCode: 'BROKEN',
      deadLetteredAt: '2026-03-01T12:00:00.000Z',
    });
    await syncDeadLetters(test.queues.deadLetters, ['a', 'b', 'c'].map(letter));
    expect(await listed()).toEqual(['a', 'b', 'c']);
    // As a row of the read model, which has more than the board shows.
    const rows = ['b', 'd'].map((taskId) => ({ ...letter(taskId), position: 7n, error: { message: 'secret' } }));
    await syncDeadLetters(test.queues.deadLetters, rows);
    const stored = await test.redis.hgetall(`${test.queueOptions.prefix}:dead-letter:default.d`);
    expect(JSON.parse(stored['data'] as string)).toEqual(letter('d'));
    expect(await listed()).toEqual(['b', 'd']);
    const many = Array.from({ length: 2_500 }, (_, index) => letter(`t${index}`));
    await syncDeadLetters(test.queues.deadLetters, many);
    expect(await listed()).toHaveLength(2_500);
    await syncDeadLetters(test.queues.deadLetters, []);
    expect(await listed()).toEqual([]);
  });
});
