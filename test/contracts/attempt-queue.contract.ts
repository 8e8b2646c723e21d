import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type AttemptJob,
  type AttemptOffers,
  localQueueName,
  poolQueueName,
} from '../../src/dispatch/queues/attempt-queue.ts';
import type { AttemptWorker } from '../../src/dispatch/queues/on-demand.ts';
import type { AttemptHandler, AttemptWorkers, Delivery } from '../../src/dispatch/queues/worker.ts';

export type QueueUnderTest = {
  readonly offers: AttemptOffers;
  readonly workers: AttemptWorkers;
  /** Of the attempts; `a2a` when absent. */
  readonly transport?: AttemptJob['transport'];
  /** As FLUSHALL, for what this queue has. */
  flush(): Promise<void>;
  close(): Promise<void>;
};

const QUEUES = { a2a: poolQueueName('acme', 'default'), local: localQueueName('acme', 'anna') };
const within = { timeout: 15_000, interval: 5 };

/** What every queue of attempts does. It starts empty. */
export const describeAttemptQueue = (name: string, open: () => Promise<QueueUnderTest>) =>
  describe(`${name} as queue of attempts`, () => {
    let queue: QueueUnderTest;
    let offers: AttemptOffers;
    let transport: AttemptJob['transport'];
    const opened: AttemptWorker[] = [];
    const held: (() => void)[] = [];

    beforeEach(async () => {
      queue = await open();
      offers = queue.offers;
      transport = queue.transport ?? 'a2a';
    });
    afterEach(async () => {
      for (const release of held.splice(0)) release();
      await Promise.all(opened.splice(0).map((worker) => worker.close({ abandon: true })));
      await queue.close();
    });

    const attempt = (taskId: string): AttemptJob => ({
      tenant: 'acme',
      pool: 'default',
      taskId,
      attempt: 1,
      agentId: 'anna',
      transport,
    });

    /** Returns what it was given, as `task`, or `task again`. */
    const work = (handler: (delivery: Delivery) => ReturnType<AttemptHandler>, concurrency = 1) => {
      const seen: string[] = [];
      const handle: AttemptHandler = (delivery) => {
        seen.push(`${delivery.job.taskId}${delivery.again ? ' again' : ''}`);
        return handler(delivery);
      };
      const worker = queue.workers.open(QUEUES[transport], { concurrency, handler: handle });
      opened.push(worker);
      return { seen, worker };
    };
    const done = async (): ReturnType<AttemptHandler> => 'done';
    const hold = (): ReturnType<AttemptHandler> => new Promise((resolve) => held.push(() => resolve('done')));
    /** Handles the first delivery so, and is done with the others. */
    const once = (first: (delivery: Delivery) => ReturnType<AttemptHandler>) => {
      let isFirst = true;
      return (delivery: Delivery) => {
        const handle = isFirst ? first : done;
        isFirst = false;
        return handle(delivery);
      };
    };
    const sees = (seen: readonly string[], expected: readonly string[]) =>
      vi.waitFor(() => expect(seen).toEqual(expected), within);

    it('delivers an attempt once, however often it is offered while it waits', async () => {
      await offers.offer([attempt('a'), attempt('a')], 'first');
      await offers.offer([attempt('a'), attempt('b')]);
      const { seen } = work(done);
      await sees(seen, ['a', 'b']);
      await offers.offer([attempt('c')]);
      await sees(seen, ['a', 'b', 'c']);
    });

    it('leaves an attempt alone that is being worked on', async () => {
      const { seen } = work(hold, 2);
      await offers.offer([attempt('a')]);
      await sees(seen, ['a']);
      await offers.offer([attempt('a'), attempt('b')]);
      await sees(seen, ['a', 'b']);
    });

    it('delivers again what could not be recorded', async () => {
      const { seen } = work(
        once(async () => {
          throw new Error('the log is away');
        }),
      );
      await offers.offer([attempt('a')], 'first');
      await sees(seen, ['a', 'a again']);
    });

    it('delivers again what is handed back, with the id that the agent gave it', async () => {
      const ids: unknown[] = [];
      const handle = once(async ({ noteRemoteTask }) => {
        noteRemoteTask('r-1');
        return 'hand_back';
      });
      const { seen } = work((delivery) => {
        ids.push(delivery.job.remoteTaskId);
        return handle(delivery);
      });
      await offers.offer([attempt('a')]);
      await sees(seen, ['a', 'a again']);
      expect(ids).toEqual([undefined, 'r-1']);
    });

    it('gives a worker no more at once than it asked for', async () => {
      const { seen } = work(hold, 2);
      await offers.offer(['a', 'b', 'c'].map((taskId) => attempt(taskId)));
      await vi.waitFor(() => expect(seen).toHaveLength(2), within);
      held.shift()?.();
      await vi.waitFor(() => expect([...seen].sort()).toEqual(['a', 'b', 'c']), within);
    });

    it('gives nothing more to a worker that pauses, and all to the others', async () => {
      const paused = work(done);
      await paused.worker.pause();
      await offers.offer([attempt('a')]);
      const { seen } = work(done);
      await sees(seen, ['a']);
      expect(paused.seen).toEqual([]);
    });

    it('takes back what nobody has taken, if it was never offered before', async () => {
      await offers.offer([attempt('first')], 'first');
      await offers.offer([attempt('again')]);
      expect(await offers.withdraw(attempt('other'))).toEqual({ kind: 'missing' });
      expect(await offers.withdraw(attempt('first'))).toEqual({ kind: 'untaken', agentId: 'anna' });
      expect(await offers.withdraw(attempt('first'))).toEqual({ kind: 'missing' });
      expect(await offers.withdraw(attempt('again'))).toEqual({ kind: 'waiting' });
      const { seen } = work(done);
      await sees(seen, ['again']);
    });

    it('says of an attempt that is being worked on that it was taken, and when', async () => {
      const { seen } = work(hold);
      await offers.offer([attempt('a')], 'first');
      await sees(seen, ['a']);
      expect(await offers.withdraw(attempt('a'))).toEqual({ kind: 'taken', sinceMs: expect.any(Number) });
      held.shift()?.();
      await vi.waitFor(async () => expect(await offers.withdraw(attempt('a'))).toEqual({ kind: 'missing' }), within);
    });

    it('says of an attempt that waits for another delivery that it was taken', async () => {
      const { seen } = work(async () => {
        throw new Error('the log is away');
      });
      await offers.offer([attempt('a')], 'first');
      await vi.waitFor(() => expect(seen).toContain('a'), within);
      expect(await offers.withdraw(attempt('a'))).toMatchObject({ kind: 'taken' });
    });

    it('notices once for each watcher that it was emptied', async () => {
      const watch = () => Promise.all([offers.ensureSentinel('one'), offers.ensureSentinel('two')]);
      expect(await watch()).toEqual(['recreated', 'recreated']);
      expect(await watch()).toEqual(['present', 'present']);
      await offers.offer([attempt('a')]);
      await queue.flush();
      expect(await offers.withdraw(attempt('a'))).toEqual({ kind: 'missing' });
      expect(await watch()).toEqual(['recreated', 'recreated']);
      expect(await watch()).toEqual(['present', 'present']);
      await offers.offer([attempt('a')]);
      const { seen } = work(done);
      await sees(seen, ['a']);
    });
  });
