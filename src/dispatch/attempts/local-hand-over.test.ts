import { beforeEach, describe, expect, it } from 'vitest';
import { type FakeClock, fakeClock } from '../../../test/support/fake-ports.ts';
import { createLogger } from '../../platform/logger.ts';
import { type AttemptJob, jobIdOf } from '../queues/attempt-queue.ts';
import type { Delivery, Handled } from '../queues/worker.ts';
import { LocalHandOver } from './local-hand-over.ts';

const jobFor = (taskId: string, agentId = 'here', transport: AttemptJob['transport'] = 'local'): AttemptJob => ({
  tenant: 'default',
  pool: 'default',
  taskId,
  attempt: 1,
  agentId,
  transport,
});

/** Lets promises that are settled call back. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Call = {
  readonly delivery: Delivery;
  readonly resolve: (handled: Handled) => void;
  readonly reject: (e: Error) => void;
};

let clock: FakeClock;
let queued: string[];
let queueFails: boolean;
let calls: Call[];
let handOver: LocalHandOver;

const handler = (delivery: Delivery): Promise<Handled> =>
  new Promise((resolve, reject) => calls.push({ delivery, resolve, reject }));

const called = (): string[] => calls.map(({ delivery }) => delivery.job.taskId);
const call = (index: number): Call => {
  const found = calls[index];
  if (!found) throw new Error(`there was no call ${index}`);
  return found;
};

beforeEach(() => {
  clock = fakeClock();
  queued = [];
  queueFails = false;
  calls = [];
  handOver = new LocalHandOver({
    queue: {
      async offer(jobs) {
        if (queueFails) throw new Error('Redis is unreachable');
        queued.push(...jobs.map(jobIdOf));
      },
      ensureSentinel: async () => 'present',
      withdraw: async () => ({ kind: 'missing' }),
    },
    isHere: ({ agentId }) => agentId.startsWith('here'),
    concurrency: () => 2,
    clock,
    logger: createLogger('silent'),
  });
});

describe('an attempt offered for the first time', () => {
  it('goes to the handler, without Redis, when its agent is here', async () => {
    handOver.serve(handler);
    await handOver.offer([jobFor('a')], 'first');
    expect(calls).toMatchObject([{ delivery: { job: jobFor('a'), again: false } }]);
    expect(queued).toEqual([]);
  });

  it('goes through the queue when its agent is elsewhere, or reached over the network', async () => {
    handOver.serve(handler);
    await handOver.offer([jobFor('a', 'elsewhere'), jobFor('b'), jobFor('c', 'here', 'a2a')], 'first');
    expect(queued).toEqual(['a.1', 'c.1']);
    expect(called()).toEqual(['b']);
  });

  it('goes through the queue while nobody serves', async () => {
    await handOver.offer([jobFor('a')], 'first');
    expect(queued).toEqual(['a.1']);
  });

  it('fails when the queue fails, but still hands over attempts of agents that are here', async () => {
    handOver.serve(handler);
    queueFails = true;
    await expect(handOver.offer([jobFor('a', 'elsewhere'), jobFor('b')], 'first')).rejects.toThrow(
      'Redis is unreachable',
    );
    expect(called()).toEqual(['b']);
  });
});

describe('an attempt offered again', () => {
  it('goes through the queue, whose job ids prevent two processes from working on it', async () => {
    handOver.serve(handler);
    await handOver.offer([jobFor('a')], 'again');
    await handOver.offer([jobFor('b')]);
    expect(queued).toEqual(['a.1', 'b.1']);
    expect(calls).toEqual([]);
  });

  it('changes nothing while the job runs, waits or pauses here', async () => {
    handOver.serve(handler);
    const jobs = ['a', 'b', 'waiting'].map((taskId) => jobFor(taskId));
    await handOver.offer(jobs, 'first');
    call(0).reject(new Error('the log is unreachable'));
    await settle();
    expect(called()).toEqual(['a', 'b', 'waiting']);
    await handOver.offer([...jobs, jobFor('new')], 'again');
    await handOver.offer(jobs, 'first');
    expect(queued).toEqual(['new.1']);
    expect(calls).toHaveLength(3);
  });

  it('is a new job once the earlier one has left this process', async () => {
    handOver.serve(handler);
    await handOver.offer([jobFor('a')], 'first');
    call(0).resolve('done');
    await settle();
    await handOver.offer([jobFor('a')], 'again');
    expect(queued).toEqual(['a.1']);
  });
});

describe('concurrency', () => {
  it('limits the calls per agent; waiting jobs follow in order', async () => {
    handOver.serve(handler);
    await handOver.offer(
      ['a', 'b', 'c', 'd'].map((taskId) => jobFor(taskId)),
      'first',
    );
    await handOver.offer([jobFor('other', 'here-too')], 'first');
    expect(called()).toEqual(['a', 'b', 'other']);
    call(1).resolve('done');
    await settle();
    expect(called()).toEqual(['a', 'b', 'other', 'c']);
    call(0).resolve('done');
    await settle();
    expect(called()).toEqual(['a', 'b', 'other', 'c', 'd']);
  });
});

describe('a handler that throws', () => {
  it('gets the job again after a pause that grows up to 10 s, with the remote id that it stored', async () => {
    handOver.serve(handler);
    await handOver.offer([jobFor('a')], 'first');
    call(0).delivery.noteRemoteTask('remote-1');
    for (const [deliveries, pauseMs] of [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000].entries()) {
      call(deliveries).reject(new Error('the log is unreachable'));
      await settle();
      clock.advance(pauseMs - 1);
      expect(calls).toHaveLength(deliveries + 1);
      clock.advance(1);
      expect(call(deliveries + 1).delivery).toMatchObject({ again: true, job: { remoteTaskId: 'remote-1' } });
    }
    expect(queued).toEqual([]);
  });

  it('may throw before it returns a promise', async () => {
    handOver.serve(() => {
      throw new Error('a bug');
    });
    await handOver.offer([jobFor('a')], 'first');
    await settle();
    expect(clock.scheduled).toBe(1);
  });

  it('holds up no other job meanwhile', async () => {
    handOver.serve(handler);
    await handOver.offer(
      ['a', 'b', 'c'].map((taskId) => jobFor(taskId)),
      'first',
    );
    call(0).reject(new Error('the log is unreachable'));
    await settle();
    expect(called()).toEqual(['a', 'b', 'c']);
  });
});

describe('a job that is handed back', () => {
  it('goes to the queue, for another process', async () => {
    handOver.serve(handler);
    await handOver.offer([jobFor('a')], 'first');
    call(0).resolve('hand_back');
    await settle();
    expect(queued).toEqual(['a.1']);
    expect(calls).toHaveLength(1);
  });

  it('leaves this process: offered again, it goes to the queue again', async () => {
    handOver.serve(handler);
    await handOver.offer([jobFor('a')], 'first');
    call(0).resolve('hand_back');
    await settle();
    await handOver.offer([jobFor('a')], 'again');
    expect(queued).toEqual(['a.1', 'a.1']);
  });
});

describe('pausing', () => {
  it('returns waiting and paused jobs to the queue, and starts nothing more', async () => {
    handOver.serve(handler);
    const jobs = ['resting', 'a', 'b', 'waiting'].map((taskId) => jobFor(taskId));
    await handOver.offer(jobs, 'first');
    call(0).reject(new Error('the log is unreachable'));
    await settle();
    await handOver.pause();
    expect(queued.sort()).toEqual(['resting.1', 'waiting.1']);
    expect(clock.scheduled).toBe(0);
    call(1).resolve('done');
    await settle();
    expect(called()).toEqual(['resting', 'a', 'b']);
  });

  it('leaves a job alone that runs after a pause', async () => {
    handOver.serve(handler);
    await handOver.offer([jobFor('a')], 'first');
    call(0).reject(new Error('the log is unreachable'));
    await settle();
    clock.advance(500);
    expect(calls).toHaveLength(2);
    await handOver.pause();
    expect(queued).toEqual([]);
  });

  it('sends later offers through the queue, except for jobs that still run here', async () => {
    handOver.serve(handler);
    await handOver.offer([jobFor('a')], 'first');
    await handOver.pause();
    await handOver.offer([jobFor('b')], 'first');
    await handOver.offer([jobFor('a')], 'again');
    expect(queued).toEqual(['b.1']);
  });

  it('returns a job to the queue when its handler throws after pausing', async () => {
    handOver.serve(handler);
    await handOver.offer([jobFor('a')], 'first');
    await handOver.pause();
    call(0).reject(new Error('the log is unreachable'));
    await handOver.empty();
    expect(queued).toEqual(['a.1']);
    expect(clock.scheduled).toBe(0);
  });

  it('drops jobs that the queue does not accept: the assigner offers them again', async () => {
    handOver.serve(handler);
    await handOver.offer(
      ['a', 'b', 'waiting'].map((taskId) => jobFor(taskId)),
      'first',
    );
    queueFails = true;
    await handOver.pause();
    expect(queued).toEqual([]);
  });
});

describe('waiting until no jobs are left', () => {
  it('resolves when the last job is done or back in the queue', async () => {
    handOver.serve(handler);
    await handOver.offer([jobFor('a'), jobFor('b')], 'first');
    await handOver.pause();
    let empty = false;
    const emptied = handOver.empty().then(() => {
      empty = true;
    });
    call(0).resolve('done');
    await settle();
    expect(empty).toBe(false);
    call(1).resolve('hand_back');
    await emptied;
    expect(queued).toEqual(['b.1']);
  });
});

it('uses the same sentinel as the queue', async () => {
  await expect(handOver.ensureSentinel('pool')).resolves.toBe('present');
});
