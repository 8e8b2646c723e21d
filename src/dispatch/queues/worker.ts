import { createRedisBackend, type Job, WaitingError, Worker, type WorkerOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Backoff, backoffMs } from '../../domain/retry.ts';
import { type Clock, systemClock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import { createRedis } from '../../platform/redis.ts';
import type { AttemptJob, QueueOptions } from './attempt-queue.ts';
import { type AttemptWorker, type AwakeWorker, OnDemandWorker, type Told } from './on-demand.ts';
import { QueueWords, sayOffered } from './queue-words.ts';

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
  /** Where the worker hears of jobs; without it, it waits for them on a connection of its own. */
  readonly told?: Told;
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

type Consuming = { readonly concurrency: number; readonly handler: AttemptHandler };

/** The consuming side of the queues, for one dispatcher. */
export type AttemptWorkers = {
  /** Consumes one queue, with up to `concurrency` jobs at once. */
  open(queue: string, options: Consuming): AttemptWorker;
  /** As `open`, for one of many queues that seldom have jobs. All of them share one connection, and cost nothing while they have none. */
  openOnDemand(queue: string, options: Consuming): AttemptWorker;
  /** Ends the connection, whether or not the workers were closed. */
  close(): void;
};

/**
 * Workers over one connection of their own, which waits while Redis is unreachable. Each `open` takes one more, and all that work on demand
 * one more together.
 */
export const createBullWorkers = (
  { redisUrl, prefix, logger }: QueueOptions,
  tuning: WorkerTuning = DEFAULT_TUNING,
  clock: Clock = systemClock,
): AttemptWorkers => {
  const redis = createRedis(redisUrl, logger, 'wait');
  const words = new QueueWords(redis, prefix);
  const open = (queue: string, options: Consuming, told?: Told) =>
    createAttemptWorker(queue, { redis, prefix, tuning, logger, ...options, ...(told ? { told } : {}) });
  return {
    open,
    openOnDemand: (queue, options) =>
      new OnDemandWorker(clock, (told) => open(queue, options, told)).listen((hear) => words.listen(queue, hear)),
    close: () => {
      words.close();
      redis.disconnect();
    },
  };
};

const workerOptions = ({ redis, prefix, concurrency, tuning }: AttemptWorkerOptions): WorkerOptions => ({
  connection: redis,
  prefix,
  concurrency,
  lockDuration: tuning.lockDurationMs,
  stalledInterval: tuning.stalledIntervalMs,
  maxStalledCount: NO_STALL_LIMIT,
  removeOnComplete: { count: 0 },
  removeOnFail: { count: 0 },
  runRetryDelay: 500,
  skipVersionCheck: false,
  settings: { backoffStrategy: redeliveryDelayMs },
});

/** Consumes one queue of attempts. The connection must wait for Redis (`maxRetriesPerRequest: null`) and is left open. */
const createAttemptWorker = (queue: string, options: AttemptWorkerOptions): AwakeWorker => {
  const { handler, logger, told } = options;
  let held = 0;
  const process = async (job: Job<AttemptJob>, token?: string): Promise<void> => {
    const noteRemoteTask = (remoteTaskId: string): void => {
      job
        .updateData({ ...job.data, remoteTaskId })
        .catch((error: unknown) => logger.debug({ err: error, queue }, 'the id of a remote task could not be stored'));
    };
    if ((await handler({ job: job.data, again: job.attemptsStarted > 1, noteRemoteTask })) === 'done') return;
    await job.moveToWait(token);
    if (told) await sayOffered(options.redis, options.prefix, queue);
    throw new WaitingError();
  };
  const counted = async (job: Job<AttemptJob>, token?: string): Promise<void> => {
    held += 1;
    await process(job, token).finally(() => {
      held -= 1;
    });
  };
  const worker = new Worker<AttemptJob, void, string>(
    queue,
    counted,
    workerOptions(options),
    told?.backend ?? createRedisBackend,
  );
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
  worker.on('failed', (job, error) => {
    // It is delayed: the worker learns for how long when it asks for the next job.
    told?.tell();
    logger.warn(
      { err: error, queue, taskId: job?.data.taskId },
      'an attempt could not be recorded and is delivered again',
    );
  });
  return {
    get holdsJobs() {
      return held > 0;
    },
    pause: () => worker.pause(true),
    close: ({ abandon }) => worker.close(abandon),
  };
};
