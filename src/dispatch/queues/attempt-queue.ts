import { randomUUID } from 'node:crypto';
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { unavailable } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { createRedis } from '../../platform/redis.ts';
import { DeadLetterQueue } from './dead-letter-queue.ts';
import { openQueue } from './open-queue.ts';
import { sayOffered } from './queue-words.ts';

/** One assigned attempt, by ids only: the work itself is in the log, so nothing secret or large is in Redis. */
export type AttemptJob = {
  readonly tenant: string;
  readonly pool: string;
  readonly taskId: string;
  /** The execution that the task belongs to; absent for a stand-alone task. */
  readonly executionId?: string | undefined;
  readonly attempt: number;
  readonly agentId: string;
  readonly transport: 'a2a' | 'local';
  /** Nobody was offered the attempt before this job: as long as no dispatcher has taken it, the agent was not called. */
  readonly firstOffer?: true;
  /** The agent's own id of the work, stored by the dispatcher that called it. */
  readonly remoteTaskId?: string;
};

export type QueueOptions = {
  readonly redisUrl: string;
  /** Contains the cluster's id, so that two clusters can share one Redis. */
  readonly prefix: string;
  readonly logger: Logger;
};

/**
 * How often BullMQ redelivers a job whose handler could not reach the log. Practically without limit: when it gives up, the job is removed
 * and the assigner offers it again.
 */
const DELIVERIES = 1_000;
/** Served by the worker's `backoffStrategy`; BullMQ's own exponential one has no cap. */
const CAPPED_BACKOFF = 'capped';

/** Calls to agents over the network: any dispatcher that serves the pool. */
export const poolQueueName = (tenant: string, pool: string): string => `dispatch.${tenant}.${pool}`;

/** Calls to a function: only processes that have it. */
export const localQueueName = (tenant: string, agentId: string): string => `local.${tenant}.${agentId}`;

const queueNameOf = (job: AttemptJob): string =>
  job.transport === 'local' ? localQueueName(job.tenant, job.agentId) : poolQueueName(job.tenant, job.pool);

/** The same attempt is the same job: offering it again changes nothing while the job exists. BullMQ refuses `:` and all-digit ids. */
export const jobIdOf = ({ taskId, attempt }: Pick<AttemptJob, 'taskId' | 'attempt'>): string => `${taskId}.${attempt}`;

/** What is known of an attempt when its job is to be taken back. */
export type Withdrawn =
  /** No dispatcher had taken it, and none can any more: the agent was not called. */
  | { readonly kind: 'untaken'; readonly agentId: string }
  /** It waits for a dispatcher, and stays. Somebody may have had the attempt before. */
  | { readonly kind: 'waiting' }
  /** A dispatcher has taken it, at that time last, in milliseconds since the epoch; the agent may have been called. */
  | { readonly kind: 'taken'; readonly sinceMs: number }
  /** There is no such job: it was done, lost, or never offered. */
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreachable' };

/** How an assigner passes its assignments to dispatchers. */
export type AttemptOffers = Pick<AttemptQueue, 'ensureSentinel' | 'withdraw'> & {
  /**
   * Makes sure that each attempt is delivered; one that already waits or runs is left alone.
   *
   * Errors: `AppError` `UNAVAILABLE` when Redis cannot be reached; some of the attempts may have been taken.
   *
   * @param times `first`: the attempts were assigned just now and never offered, so no dispatcher can have them yet
   */
  offer(jobs: readonly AttemptJob[], times?: 'first' | 'again'): Promise<void>;
};

/**
 * The queues that carry assigned attempts to dispatchers.
 *
 * Redis is a hint (reliability R8–R10): losing a job costs time, never a task, because the assigner offers its open assignments again
 * when the sentinel is gone, and periodically.
 */
export class AttemptQueue {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #queues = new Map<string, Queue<AttemptJob, void, string>>();
  /** What each watcher last saw under the sentinel key. */
  readonly #seen = new Map<string, string>();

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  /**
   * Adds a job for each attempt; one that exists already is left alone. One round trip per queue.
   *
   * Errors: `AppError` `UNAVAILABLE` when Redis cannot be reached; some of the jobs may have been added.
   */
  async offer(jobs: readonly AttemptJob[], times: 'first' | 'again' = 'again'): Promise<void> {
    const byQueue = new Map<string, AttemptJob[]>();
    for (const job of jobs) {
      const name = queueNameOf(job);
      const group = byQueue.get(name);
      if (group) group.push(job);
      else byQueue.set(name, [job]);
    }
    try {
      await Promise.all([...byQueue].map(([name, group]) => this.#add(name, group, times)));
    } catch (error) {
      throw unavailable('the job queue cannot be reached', error);
    }
  }

  /**
   * Removes the job of an attempt if that proves that its agent was not called.
   *
   * Errors: `AppError` `UNAVAILABLE` when Redis cannot be reached.
   */
  async withdraw(attempt: AttemptJob): Promise<Withdrawn> {
    try {
      const job = await this.#queue(queueNameOf(attempt)).getJob(jobIdOf(attempt));
      if (!job) return { kind: 'missing' };
      if (job.attemptsStarted > 0) return { kind: 'taken', sinceMs: job.processedOn ?? job.timestamp };
      if (!job.data.firstOffer) return { kind: 'waiting' };
      // Removes nothing while a dispatcher holds the job: then it was taken just now.
      const removed = await this.#queue(queueNameOf(attempt)).remove(jobIdOf(attempt));
      return removed === 1 ? { kind: 'untaken', agentId: attempt.agentId } : await this.withdraw(attempt);
    } catch (error) {
      throw unavailable('the job queue cannot be reached', error);
    }
  }

  async #add(name: string, jobs: readonly AttemptJob[], times: 'first' | 'again'): Promise<void> {
    const first = times === 'first' ? { firstOffer: true as const } : {};
    await this.#queue(name).addBulk(
      jobs.map((job) => ({
        name: 'attempt',
        data: { ...job, ...first },
        opts: { jobId: jobIdOf(job), attempts: DELIVERIES, backoff: { type: CAPPED_BACKOFF } },
      })),
    );
    if (jobs[0]?.transport === 'local') await sayOffered(this.#redis, this.#prefix, name);
  }

  /**
   * Makes sure that a key exists which nobody ever deletes, and reports whether it is the one seen before. `recreated` means that jobs may
   * have been lost since the last check (or that this is the first one): offer all open assignments again. One round trip when nothing
   * changed.
   *
   * @param watcher who asks; each loss is reported once to each watcher of a process
   */
  async ensureSentinel(watcher = ''): Promise<'present' | 'recreated'> {
    const key = `${this.#prefix}:sentinel`;
    try {
      let value = await this.#redis.get(key);
      if (value === null) {
        await this.#redis.set(key, randomUUID(), 'NX');
        value = await this.#redis.get(key);
      }
      if (value === null) throw new Error('the sentinel vanished while it was being set');
      const known = this.#seen.get(watcher);
      this.#seen.set(watcher, value);
      return known === value ? 'present' : 'recreated';
    } catch (error) {
      throw unavailable('the job queue cannot be reached', error);
    }
  }

  /** The pool's queue, for a board. */
  board(tenant: string, pool: string): Queue {
    return this.#queue(poolQueueName(tenant, pool));
  }

  /** Every queue this process has used, for a board. */
  get opened(): readonly Queue[] {
    return [...this.#queues.values()];
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
    this.#queues.clear();
  }

  #queue(name: string): Queue<AttemptJob, void, string> {
    const known = this.#queues.get(name);
    if (known) return known;
    const queue = openQueue<AttemptJob>(name, this.#redis, this.#prefix);
    this.#queues.set(name, queue);
    return queue;
  }
}

export type Queues = {
  readonly attempts: AttemptQueue;
  readonly deadLetters: DeadLetterQueue;
  close(): Promise<void>;
};

/** The producing side of the queues, over one connection that fails fast while Redis is unreachable. */
export const createQueues = ({ redisUrl, prefix, logger }: QueueOptions): Queues => {
  const redis = createRedis(redisUrl, logger, 'fail');
  const attempts = new AttemptQueue(redis, prefix);
  const deadLetters = new DeadLetterQueue(redis, prefix);
  return {
    attempts,
    deadLetters,
    async close() {
      await Promise.all([attempts.close(), deadLetters.close()]);
      // BullMQ does not close connections that it did not open.
      redis.disconnect();
    },
  };
};
