import { Redis } from 'ioredis';
import { expect, inject } from 'vitest';
import { registerAgent } from '../../src/commands/agent/register-agent.ts';
import type { Turns } from '../../src/commands/contention.ts';
import type { Caller, Commands } from '../../src/commands/context.ts';
import { createHandlers } from '../../src/commands/handlers.ts';
import { submitTask } from '../../src/commands/task/submit-task.ts';
import { createDispatcher, type Dispatcher, type DispatcherOptions } from '../../src/dispatch/dispatcher.ts';
import { createAgentCardSource } from '../../src/dispatch/egress/agent-cards.ts';
import { type AttemptJob, createQueues } from '../../src/dispatch/queues/attempt-queue.ts';
import { type AttemptWorkers, createBullWorkers } from '../../src/dispatch/queues/worker.ts';
import { A2aTransport } from '../../src/dispatch/transports/a2a.ts';
import { LocalAgents } from '../../src/dispatch/transports/local.ts';
import { taskStream } from '../../src/domain/ids.ts';
import type { TaskEvent } from '../../src/domain/task/events.ts';
import type { EventStore } from '../../src/eventstore/event-store.ts';
import { LogFeed } from '../../src/eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../src/eventstore/memory-event-store.ts';
import { systemClock, systemIds, systemRandom } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { freshRedisPrefix } from './servers.ts';

export const caller: Caller = { tenant: 'default', actor: 'test' };
const egress = { allowLoopback: true, allowPrivate: false };

/** As between two processes: each has its own handlers, and so its own cache of states. */
export const commandsOn = (store: EventStore, turns?: Turns): Commands => {
  const ports = { clock: systemClock, ids: systemIds, random: systemRandom };
  const logger = createLogger('silent');
  return {
    ...ports,
    ...createHandlers(store, { ...ports, turns }),
    cards: createAgentCardSource({ egress, logger }),
  };
};

/** A function of the test's own process as an agent. */
export const localAgent = (agentId: string) => ({ tenant: 'default', agentId });

export type SubmitOptions = { readonly timeoutMs?: number; readonly maxAttempts?: number };

/** A dispatcher over a log in memory and a real Redis, with the assigner's part played by the test. */
export class DispatchTest {
  readonly store = createMemoryEventStore({ clock: systemClock });
  readonly commands = commandsOn(this.store);
  readonly localAgents = new LocalAgents();
  readonly logger = createLogger(process.env['BATON_LOG_LEVEL'] ?? 'silent');
  readonly queueOptions = { redisUrl: inject('redisUrl'), prefix: freshRedisPrefix(), logger: this.logger };
  readonly queues = createQueues(this.queueOptions);
  readonly redis = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null });
  readonly #dispatchers: Dispatcher[] = [];
  readonly #transports: A2aTransport[] = [];
  readonly #feeds: LogFeed[] = [];

  workers(queueOptions = this.queueOptions): AttemptWorkers {
    return createBullWorkers(queueOptions, { lockDurationMs: 2_000, stalledIntervalMs: 500 });
  }

  async dispatcher(options: Partial<DispatcherOptions> = {}): Promise<Dispatcher> {
    const feed = await LogFeed.start({ store: this.store, clock: systemClock, logger: this.logger });
    const a2a = new A2aTransport({ egress, clock: systemClock, logger: this.logger });
    const dispatcher = createDispatcher({
      commands: this.commands,
      workers: this.workers(),
      feed,
      localAgents: this.localAgents,
      a2a,
      config: { dispatchConcurrency: 20 },
      tenant: 'default',
      pools: { list: ['default'], onChange: () => () => {} },
      clock: systemClock,
      logger: this.logger,
      ...options,
    });
    dispatcher.start();
    this.#dispatchers.push(dispatcher);
    this.#transports.push(a2a);
    this.#feeds.push(feed);
    return dispatcher;
  }

  async registerLocal(agentId: string, options: object = {}): Promise<void> {
    const result = await registerAgent(this.commands, caller, {
      agentId,
      capabilities: [{ name: 'work' }],
      ...options,
    });
    expect(result.ok).toBe(true);
  }

  async registerRemote(agentId: string, cardUrl: string, options: object = {}): Promise<void> {
    await this.registerLocal(agentId, { cardUrl, ...options });
  }

  async submit(input: unknown, { timeoutMs = 5_000, maxAttempts = 1 }: SubmitOptions = {}): Promise<string> {
    const result = await submitTask(this.commands, caller, {
      capability: 'work',
      input,
      timeoutMs,
      retry: { kind: 'immediate', maxAttempts },
    });
    if (!result.ok) throw new Error(result.rejection.reason);
    return result.value.id;
  }

  job(taskId: string, agentId: string, transport: AttemptJob['transport'], attempt = 1): AttemptJob {
    return { tenant: 'default', pool: 'default', taskId, attempt, agentId, transport };
  }

  /** Submits, offers and waits for the outcome. */
  async run(input: unknown, agentId: string, transport: AttemptJob['transport'], options: SubmitOptions = {}) {
    const taskId = await this.submit(input, options);
    await this.queues.attempts.offer([this.job(taskId, agentId, transport)]);
    return { taskId, event: await this.outcome(taskId) };
  }

  async events(taskId: string): Promise<TaskEvent[]> {
    const stored = await this.store.readStream(taskStream('default', taskId));
    return stored as unknown as TaskEvent[];
  }

  /** The event that closed the task's newest attempt. */
  async outcome(taskId: string, type?: TaskEvent['type']): Promise<TaskEvent> {
    const closing: readonly string[] = type
      ? [type]
      : ['TaskCompleted', 'TaskAttemptFailed', 'TaskOutcomeUnknown', 'TaskCancelled'];
    const find = async () => (await this.events(taskId)).find((event) => closing.includes(event.type));
    await expect.poll(find, { timeout: 20_000, interval: 10 }).toBeDefined();
    return (await find()) as TaskEvent;
  }

  async close(): Promise<void> {
    await Promise.all(this.#dispatchers.map((dispatcher) => dispatcher.stop(0)));
    await Promise.all(this.#feeds.map((feed) => feed.stop()));
    await Promise.all(this.#transports.map((transport) => transport.close()));
    await this.queues.close();
    this.redis.disconnect();
    await this.store.close();
  }
}
