import type { Redis } from 'ioredis';
import {
  type AttemptJob,
  type AttemptOffers,
  jobIdOf,
  localQueueName,
  poolQueueName,
  type Withdrawn,
} from '../../../src/dispatch/queues/attempt-queue.ts';
import type { AttemptWorker } from '../../../src/dispatch/queues/on-demand.ts';
import { type AttemptHandler, type AttemptWorkers, redeliveryDelayMs } from '../../../src/dispatch/queues/worker.ts';
import type { SimProcess } from './process.ts';
import type { SimServer } from './server.ts';
import type { Timeline } from './timeline.ts';

const LOCK_MS = 15_000;
const STALLED_EVERY_MS = 5_000;

type SimJob = {
  data: AttemptJob;
  readonly queue: string;
  state: 'waiting' | 'active' | 'delayed';
  deliveries: number;
  lockUntilMs: number;
  /** By the clock of the worker, as BullMQ stamps it. */
  takenAtMs: number;
};

type Worker = {
  readonly process: SimProcess;
  readonly queue: string;
  readonly concurrency: number;
  readonly handler: AttemptHandler;
  readonly held: Set<Promise<void>>;
  isOpen: boolean;
};

const queueOf = (job: AttemptJob): string =>
  job.transport === 'local' ? localQueueName(job.tenant, job.agentId) : poolQueueName(job.tenant, job.pool);

const keyOf = (job: AttemptJob): string => `${queueOf(job)}/${jobIdOf(job)}`;

/** The queues as BullMQ keeps them, and sorted sets. Deliveries are at least once: a lock that runs out lets the job go to another. */
export class SimRedis {
  readonly #server: SimServer;
  readonly #timeline: Timeline;
  readonly #jobs = new Map<string, SimJob>();
  readonly #workers = new Set<Worker>();
  readonly #sets = new Map<string, Map<string, number>>();
  #sentinel: string | undefined;
  #sentinels = 0;

  constructor(server: SimServer, timeline: Timeline) {
    this.#server = server;
    this.#timeline = timeline;
    this.#watchLocks();
  }

  /** As FLUSHALL. */
  flush(): void {
    this.#jobs.clear();
    this.#sets.clear();
    this.#sentinel = undefined;
  }

  offersFor(process: SimProcess): AttemptOffers {
    const seen = new Map<string, string>();
    return {
      offer: (jobs, times = 'again') =>
        this.#server.call(process, () =>
          this.#add(times === 'first' ? jobs.map((job) => ({ ...job, firstOffer: true as const })) : jobs),
        ),
      withdraw: (job) => this.#server.call(process, () => this.#withdraw(job)),
      ensureSentinel: (watcher = '') =>
        this.#server.call(process, () => {
          this.#sentinel ??= String(++this.#sentinels);
          const known = seen.get(watcher);
          seen.set(watcher, this.#sentinel);
          return known === this.#sentinel ? 'present' : 'recreated';
        }),
    };
  }

  workersFor(process: SimProcess): AttemptWorkers {
    const open: AttemptWorkers['open'] = (queue, options) =>
      this.#open({ process, queue, ...options, held: new Set(), isOpen: true });
    return { open, openOnDemand: open, close: () => {} };
  }

  /** The commands on sorted sets that heartbeats and offers use. */
  clientFor(process: SimProcess): Redis {
    const call = <T>(work: () => T): Promise<T> => this.#server.call(process, work);
    const client = {
      time: () =>
        call(() => [Math.floor(this.#timeline.nowMs / 1_000), Math.floor((this.#timeline.nowMs % 1_000) * 1_000)]),
      zadd: (key: string, ...pairs: (number | string)[]) => call(() => this.#setScores(key, pairs)),
      zrem: (key: string, ...members: string[]) =>
        call(() => {
          for (const member of members) this.#setOf(key).delete(member);
        }),
      zrange: (key: string) => call(() => [...this.#setOf(key)].flatMap(([member, score]) => [member, String(score)])),
      zremrangebyscore: (key: string, _: '-inf', most: number) =>
        call(() => {
          for (const [member, score] of this.#setOf(key)) if (score <= most) this.#setOf(key).delete(member);
        }),
      zrangebyscore: (key: string, least: number) =>
        call(() => [...this.#setOf(key)].filter(([, score]) => score >= least).map(([member]) => member)),
    };
    return client as unknown as Redis;
  }

  #setOf(key: string): Map<string, number> {
    const known = this.#sets.get(key) ?? new Map<string, number>();
    this.#sets.set(key, known);
    return known;
  }

  #setScores(key: string, pairs: readonly (number | string)[]): void {
    for (let at = 0; at < pairs.length; at += 2) this.#setOf(key).set(String(pairs[at + 1]), Number(pairs[at]));
  }

  #add(jobs: readonly AttemptJob[]): void {
    for (const data of jobs) {
      const key = keyOf(data);
      if (!this.#jobs.has(key))
        this.#jobs.set(key, {
          data,
          queue: queueOf(data),
          state: 'waiting',
          deliveries: 0,
          lockUntilMs: 0,
          takenAtMs: 0,
        });
    }
    this.#hand();
  }

  #withdraw(attempt: AttemptJob): Withdrawn {
    const job = this.#jobs.get(keyOf(attempt));
    if (!job) return { kind: 'missing' };
    if (job.deliveries > 0) return { kind: 'taken', sinceMs: job.takenAtMs };
    if (!job.data.firstOffer) return { kind: 'waiting' };
    this.#jobs.delete(keyOf(attempt));
    return { kind: 'untaken', agentId: attempt.agentId };
  }

  #open(worker: Worker): AttemptWorker {
    this.#workers.add(worker);
    this.#hand();
    return {
      pause: async () => {
        worker.isOpen = false;
      },
      close: async ({ abandon }) => {
        this.#workers.delete(worker);
        if (!abandon) await Promise.all(worker.held);
      },
    };
  }

  #hand(): void {
    if (this.#server.paused) {
      this.#server.whenRunning(() => this.#hand());
      return;
    }
    for (const [key, job] of this.#jobs) {
      if (job.state !== 'waiting') continue;
      const worker = [...this.#workers].find(
        ({ queue, isOpen, held, concurrency, process }) =>
          queue === job.queue && isOpen && process.alive && held.size < concurrency,
      );
      if (worker) this.#deliver(key, job, worker);
    }
  }

  #deliver(key: string, job: SimJob, worker: Worker): void {
    job.state = 'active';
    job.deliveries += 1;
    job.lockUntilMs = this.#timeline.nowMs + LOCK_MS;
    job.takenAtMs = worker.process.clock.now();
    let isDone = false;
    const renew = (): void => {
      if (isDone) return;
      this.#server.whenRunning(() => {
        if (this.#jobs.get(key) === job) job.lockUntilMs = this.#timeline.nowMs + LOCK_MS;
      });
      this.#timeline.after(LOCK_MS / 2, worker.process, renew);
    };
    const handled = new Promise<void>((resolve) => {
      this.#timeline.after(this.#server.latencyMs(), worker.process, () => {
        renew();
        void this.#handle(key, job, worker).finally(() => {
          isDone = true;
          resolve();
        });
      });
    });
    const held = handled.then(() => {
      worker.held.delete(held);
      this.#hand();
    });
    worker.held.add(held);
  }

  async #handle(key: string, job: SimJob, { handler }: Worker): Promise<void> {
    const { deliveries } = job;
    const noteRemoteTask = (remoteTaskId: string): void => {
      job.data = { ...job.data, remoteTaskId };
    };
    // Another worker may have taken the job over meanwhile, or a flush removed it: what this one reports of it is then ignored.
    const isOurs = (): boolean => this.#jobs.get(key) === job && job.deliveries === deliveries;
    try {
      const handled = await handler({ job: job.data, again: deliveries > 1, noteRemoteTask });
      if (!isOurs()) return;
      if (handled === 'done') this.#jobs.delete(key);
      else job.state = 'waiting';
    } catch {
      if (!isOurs()) return;
      job.state = 'delayed';
      this.#timeline.after(redeliveryDelayMs(deliveries), undefined, () => {
        if (job.state === 'delayed') job.state = 'waiting';
        this.#hand();
      });
    }
  }

  #watchLocks(): void {
    this.#timeline.after(STALLED_EVERY_MS, undefined, () => {
      this.#server.whenRunning(() => {
        for (const job of this.#jobs.values())
          if (job.state === 'active' && job.lockUntilMs < this.#timeline.nowMs) job.state = 'waiting';
        this.#hand();
      });
      this.#watchLocks();
    });
  }
}
