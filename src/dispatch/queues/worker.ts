import { type Job, WaitingError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Backoff, backoffMs } from '../../domain/retry.ts';
import type { Logger } from '../../platform/logger.ts';
import { createRedis } from '../../platform/redis.ts';
import type { AttemptJob, QueueOptions } from './attempt-queue.ts';

/** What became of a job. `hand_back`: it was not done and must be delivered again at once, elsewhere if possible. */
export type Handled = 'done' | 'hand_back';

export type Delivery = {
  readonly job: AttemptJob;
  /** The job was delivered before. */
  readonly again: boolean;
  /** Stores the agent's own id of the work with the job, for a later delivery. */
  noteRemoteTask(id: string): void;
};

/**
 * Handles one delivery.
 *
 * Errors: when it throws, the job is delivered again after a back-off; only for failures of our own stores.
 */
export type AttemptHandler = (delivery: Delivery) => Promise<Handled>;

export type WorkerTuning = {
  /** A dispatcher that has renewed no lock for this long counts as dead, and its jobs are delivered again; in milliseconds. */
  readonly lockDurationMs: number;
  /** Time between checks for such jobs, in milliseconds. */
  readonly stalledIntervalMs: number;
};

/** Another dispatcher has the jobs of a killed one after 8 to 20 s. */
const DEFAULT_TUNING: WorkerTuning = { lockDurationMs: 15_000, stalledIntervalMs: 5_000 };

type AttemptWorkerOptions = {
  readonly redis: Redis;
  readonly prefix: string;
  readonly concurrency: number;
  readonly tuning: WorkerTuning;
  readonly handler: AttemptHandler;
  readonly logger: Logger;
};

const REDELIVERY: Backoff = { baseMs: 500, maxMs: 10_000 };

/** Pause before a job is delivered again, after `deliveries` whose handler threw. */
export const redeliveryDelayMs = (deliveries: number): number => backoffMs(REDELIVERY, deliveries);

/** A stalled job is delivered again however often it stalls: the log decides whether its task goes on. */
const NO_STALL_LIMIT = Number.MAX_SAFE_INTEGER;

/** After `FLUSHALL`, or when another worker took the job over, the job that BullMQ wants to finish is gone. The outcome is in the log. */
const isLostJob = (error: Error): boolean => /^Missing (key|lock) for job|could not renew lock/.test(error.message);

export type AttemptWorker = {
  /** Takes no new jobs; those it holds go on. */
  pause(): Promise<void>;
  /** Closes at once when `abandon`; otherwise waits for the jobs that it holds. */
  close(options: { readonly abandon: boolean }): Promise<void>;
};

/** The consuming side of the queues, for one dispatcher. */
export type AttemptWorkers = {
  /** Consumes one queue, with up to `concurrency` jobs at once. */
  open(queue: string, options: { readonly concurrency: number; readonly handler: AttemptHandler }): AttemptWorker;
  /** Ends the connection, whether or not the workers were closed. */
  close(): void;
};

/** Workers over one connection of their own, which waits while Redis is unreachable. */
export const createBullWorkers = (
  { redisUrl, prefix, logger }: QueueOptions,
  tuning: WorkerTuning = DEFAULT_TUNING,
): AttemptWorkers => {
  const redis = createRedis(redisUrl, logger, 'wait');
  return {
    open: (queue, { concurrency, handler }) =>
      createAttemptWorker(queue, { redis, prefix, concurrency, tuning, handler, logger }),
    close: () => redis.disconnect(),
  };
};

/** Consumes one queue of attempts. The connection must wait for Redis (`maxRetriesPerRequest: null`) and is left open. */
const createAttemptWorker = (queue: string, options: AttemptWorkerOptions): AttemptWorker => {
  const { handler, logger, tuning } = options;
  const process = async (job: Job<AttemptJob>, token?: string): Promise<void> => {
    const noteRemoteTask = (remoteTaskId: string): void => {
      job
        .updateData({ ...job.data, remoteTaskId })
        .catch((error: unknown) => logger.debug({ err: error, queue }, 'the id of a remote task could not be stored'));
    };
    if ((await handler({ job: job.data, again: job.attemptsStarted > 1, noteRemoteTask })) === 'done') return;
    await job.moveToWait(token);
    throw new WaitingError();
  };
  const worker = new Worker<AttemptJob, void, string>(queue, process, {
    connection: options.redis,
    prefix: options.prefix,
    concurrency: options.concurrency,
    lockDuration: tuning.lockDurationMs,
    stalledInterval: tuning.stalledIntervalMs,
    maxStalledCount: NO_STALL_LIMIT,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
    runRetryDelay: 500,
    skipVersionCheck: false,
    settings: { backoffStrategy: redeliveryDelayMs },
  });
  let reported = '';
  worker.on('active', () => {
    reported = '';
  });
  worker.on('error', (error) => {
    // One line per trouble, not per try: on a full disk there are dozens in a second.
    if (error.message === reported) return;
    if (isLostJob(error)) logger.debug({ err: error, queue }, 'a job was lost or taken over');
    else {
      reported = error.message;
      logger.warn({ err: error, queue }, 'the job queue reported an error');
    }
  });
  worker.on('failed', (job, error) =>
    logger.warn(
      { err: error, queue, taskId: job?.data.taskId },
      'an attempt could not be recorded and is delivered again',
    ),
  );
  return {
    pause: () => worker.pause(true),
    close: ({ abandon }) => worker.close(abandon),
  };
};
