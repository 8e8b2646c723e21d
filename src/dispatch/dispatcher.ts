import type { Commands } from '../commands/context.ts';
import { isIn } from '../domain/ids.ts';
import type { StoredEvent } from '../eventstore/event-store.ts';
import { followLog } from '../eventstore/follow-log.ts';
import type { LogFeed } from '../eventstore/log-feed.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import type { Config } from '../platform/config.ts';
import type { Logger } from '../platform/logger.ts';
import { InFlight } from './attempts/in-flight.ts';
import type { LocalHandOver } from './attempts/local-hand-over.ts';
import { AttemptRunner } from './attempts/run-attempt.ts';
import { type DispatchCounters, newCounters } from './counters.ts';
import { localQueueName, poolQueueName } from './queues/attempt-queue.ts';
import type { AttemptWorker } from './queues/on-demand.ts';
import type { AttemptWorkers } from './queues/worker.ts';
import { type LocalAgents, LocalTransport } from './transports/local.ts';
import type { AgentTransport } from './transports/transport.ts';

/** How long a stopping dispatcher waits for the queue to answer. */
const QUEUE_ANSWER_MS = 1_000;
/** How long it waits for abandoned jobs to get back into their queue. */
const HAND_BACK_MS = 1_000;

/** Pools that come and go. */
export type PoolList = {
  readonly list: readonly string[];
  /** Returns how to end that. */
  onChange(listener: () => void): () => void;
};

export type DispatcherOptions = {
  readonly commands: Commands;
  /** Where its jobs come from; closed with it. */
  readonly workers: AttemptWorkers;
  readonly feed: LogFeed;
  readonly localAgents: LocalAgents;
  /** Where an assigner of this process leaves attempts for them without Redis. */
  readonly handOver?: LocalHandOver;
  /** How agents over the network are called, see `createA2aTransport`. */
  readonly a2a: AgentTransport;
  /** `dispatchConcurrency` holds for each queue that is served: one per pool, and one per local agent. */
  readonly config: Pick<Config, 'dispatchConcurrency'> & Partial<Pick<Config, 'unreachableMs'>>;
  readonly tenant: string;
  /** Those whose agents over the network it calls. */
  readonly pools: PoolList;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type Dispatcher = {
  start(): void;
  /**
   * Takes no more jobs, lets running ones finish for up to `graceMs`, then ends their calls and hands the jobs back to their queues.
   */
  stop(graceMs: number): Promise<void>;
  readonly counters: Readonly<DispatchCounters>;
};

/**
 * Calls agents for the attempts assigned to them and records the outcome. Any number of processes may run a dispatcher; the jobs of a
 * killed one are delivered to another after its locks have run out (`WorkerTuning`).
 */
export const createDispatcher = (options: DispatcherOptions): Dispatcher => new QueueDispatcher(options);

class QueueDispatcher implements Dispatcher {
  readonly counters = newCounters();
  readonly #options: DispatcherOptions;
  readonly #inFlight = new InFlight();
  readonly #runner: AttemptRunner;
  readonly #workers = new Set<AttemptWorker>();
  readonly #ofPools = new Map<string, AttemptWorker>();
  readonly #stopping = new AbortController();
  readonly #abandon = new AbortController();
  #following: Promise<void> = Promise.resolve();
  readonly #stopListening: (() => void)[] = [];

  constructor(options: DispatcherOptions) {
    const { commands, a2a, localAgents, logger } = options;
    this.#options = options;
    this.#runner = new AttemptRunner({
      commands,
      transports: { a2a, local: new LocalTransport(localAgents) },
      inFlight: this.#inFlight,
      counters: this.counters,
      logger,
      unreachableLimitMs: options.config.unreachableMs,
      abandon: this.#abandon.signal,
    });
  }

  start(): void {
    const { config, handOver, localAgents, pools } = this.#options;
    // Before the first job, so that no closing of an attempt is missed between reading its state and calling its agent.
    this.#following = this.#follow(this.#stopping.signal);
    const { dispatchConcurrency } = config;
    this.#servePools();
    this.#stopListening.push(pools.onChange(() => this.#servePools()));
    handOver?.serve((delivery) => {
      this.counters.handedOver += 1;
      return this.#runner.handle(delivery);
    });
    this.#stopListening.push(
      localAgents.onRegistered((agent) => {
        const concurrency = Math.min(dispatchConcurrency, localAgents.placesOf(agent));
        this.#open('openOnDemand', localQueueName(agent.tenant, agent.agentId), concurrency);
      }),
    );
  }

  async stop(graceMs: number): Promise<void> {
    const { clock, handOver } = this.#options;
    for (const stop of this.#stopListening) stop();
    const pausing = [...[...this.#workers].map((worker) => worker.pause()), handOver?.pause()];
    await this.#within(Promise.all(pausing), QUEUE_ANSWER_MS);
    await this.#idle(clock, graceMs);
    this.#abandon.abort();
    this.#inFlight.abortAll('shutdown');
    await this.#idle(clock, HAND_BACK_MS);
    const abandon = this.#inFlight.size > 0;
    const closing = [
      ...[...this.#workers].map((worker) => worker.close({ abandon })),
      abandon ? undefined : handOver?.empty(),
    ];
    await this.#within(Promise.all(closing), QUEUE_ANSWER_MS);
    this.#stopping.abort();
    await this.#following;
    this.#options.workers.close();
  }

  /** A clean end of the queue is optional: a Redis that does not answer must not keep the process alive. */
  async #within(answer: Promise<unknown>, limitMs: number): Promise<void> {
    const done = new AbortController();
    const answered = answer.then(() => done.abort());
    await Promise.race([answered, sleep(this.#options.clock, limitMs, done.signal)]);
    answered.catch((error: unknown) =>
      this.#options.logger.debug({ err: error }, 'the job queue did not close cleanly'),
    );
  }

  async #idle(clock: Clock, limitMs: number): Promise<void> {
    const done = new AbortController();
    const idle = this.#inFlight.idle().then(() => done.abort());
    await Promise.race([idle, sleep(clock, limitMs, done.signal)]);
  }

  /** Takes up the queues of pools that came into use, and leaves those of pools that no longer are. */
  #servePools(): void {
    const { tenant, pools, config } = this.#options;
    for (const pool of pools.list)
      if (!this.#ofPools.has(pool))
        this.#ofPools.set(pool, this.#open('open', poolQueueName(tenant, pool), config.dispatchConcurrency));
    for (const [pool, worker] of this.#ofPools) {
      if (pools.list.includes(pool)) continue;
      this.#ofPools.delete(pool);
      void this.#leave(worker);
    }
  }

  #open(how: 'open' | 'openOnDemand', queue: string, concurrency: number): AttemptWorker {
    const worker = this.#options.workers[how](queue, { concurrency, handler: this.#runner.handle });
    this.#workers.add(worker);
    return worker;
  }

  /** Jobs that it holds are done first. */
  async #leave(worker: AttemptWorker): Promise<void> {
    await worker.close({ abandon: false }).catch((error: unknown) => {
      this.#options.logger.debug({ err: error }, 'the queue of a pool that is no longer used did not close cleanly');
    });
    this.#workers.delete(worker);
  }

  /** From the log's present end: attempts closed before that are noticed when their state is read. */
  #follow(signal: AbortSignal): Promise<void> {
    const { feed, clock, logger } = this.#options;
    return followLog({ name: 'the dispatcher', feed, clock, logger, signal }, (event) => this.#observe(event));
  }

  #observe(event: StoredEvent): void {
    const { commands } = this.#options;
    if (isIn('task', event.stream)) {
      commands.tasks.observe(event);
      this.#inFlight.observe(event);
    } else if (isIn('execution', event.stream)) {
      commands.executions.observe(event);
      this.#inFlight.observe(event);
    } else if (isIn('agent', event.stream)) commands.agents.observe(event);
  }
}
