import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import { type AttemptJob, type AttemptOffers, jobIdOf, type Withdrawn } from '../queues/attempt-queue.ts';
import { type AttemptHandler, type Handled, redeliveryDelayMs } from '../queues/worker.ts';
import type { LocalAgentRef } from '../transports/local.ts';

export type LocalHandOverOptions = {
  /** Gets what cannot be handed over here. */
  readonly queue: AttemptOffers;
  /** Whether this process has the agent's function, and no other one has. */
  readonly isHere: (agent: LocalAgentRef) => boolean;
  /** Calls at once, of an agent. */
  readonly concurrency: (agent: LocalAgentRef) => number;
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * A job this process holds, in one of three states:
 * - waiting for one of its agent's places (in `Lane.waiting`);
 * - running: it has a place, and its handler is under way;
 * - resting: its handler threw, and it waits again after a pause (`endRest` ends the pause).
 */
type Held = { job: AttemptJob; deliveries: number; takenMs: number; endRest?: () => void };

/** One agent's places. `waiting` is bounded by the agent's `maxConcurrency`, up to which the ledger assigns. */
type Lane = { readonly agent: LocalAgentRef; readonly waiting: Held[]; running: number };

const keyOf = (job: AttemptJob): string => `${job.tenant}.${jobIdOf(job)}`;

/**
 * Takes attempts that were assigned in this process to an agent whose function is in this process, and delivers them without Redis.
 * All others go through the queue (docs/adr/0011).
 *
 * Nothing here outlives the process: an open assignment is in the log, and the next leader of the pool offers it again. By then another
 * process may work on it, so only first offers are handed over; later ones go through the queue.
 */
export class LocalHandOver implements AttemptOffers {
  readonly #options: LocalHandOverOptions;
  readonly #held = new Map<string, Held>();
  readonly #lanes = new Map<string, Lane>();
  /** Deliveries under way, and jobs on their way back to the queue. */
  readonly #open = new Set<Promise<void>>();
  #handler: AttemptHandler | undefined;

  constructor(options: LocalHandOverOptions) {
    this.#options = options;
  }

  /** From now on attempts are delivered to `handler`. */
  serve(handler: AttemptHandler): void {
    this.#handler = handler;
  }

  async offer(jobs: readonly AttemptJob[], times: 'first' | 'again' = 'again'): Promise<void> {
    const others: AttemptJob[] = [];
    for (const job of jobs) {
      if (this.#held.has(keyOf(job))) continue;
      if (times === 'first' && this.#handler && job.transport === 'local' && this.#options.isHere(job)) this.#take(job);
      else others.push(job);
    }
    if (others.length > 0) await this.#options.queue.offer(others, times);
  }

  ensureSentinel(watcher?: string): Promise<'present' | 'recreated'> {
    return this.#options.queue.ensureSentinel(watcher);
  }

  async withdraw(job: AttemptJob): Promise<Withdrawn> {
    const held = this.#held.get(keyOf(job));
    if (!held) return this.#options.queue.withdraw(job);
    if (held.deliveries > 0) return { kind: 'taken', sinceMs: held.takenMs };
    const { waiting } = this.#laneOf(job);
    waiting.splice(waiting.indexOf(held), 1);
    this.#held.delete(keyOf(job));
    return { kind: 'untaken', agentId: job.agentId };
  }

  /** Starts no more deliveries: jobs that have not started go to the queue. Deliveries under way go on. */
  async pause(): Promise<void> {
    this.#handler = undefined;
    const resting = [...this.#held.values()].filter(({ endRest }) => endRest);
    for (const { endRest } of resting) endRest?.();
    const waiting = [...this.#lanes.values()].flatMap((lane) => lane.waiting.splice(0));
    await this.#giveBack([...resting, ...waiting]);
  }

  /** Resolves when every job is done or, after `pause`, back in the queue. */
  async empty(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  #take(job: AttemptJob): void {
    const held: Held = { job, deliveries: 0, takenMs: 0 };
    this.#held.set(keyOf(job), held);
    this.#wait(held);
  }

  #wait(held: Held): void {
    const lane = this.#laneOf(held.job);
    lane.waiting.push(held);
    this.#fill(lane);
  }

  #laneOf({ tenant, agentId }: LocalAgentRef): Lane {
    const name = `${tenant}.${agentId}`;
    const lane = this.#lanes.get(name) ?? { agent: { tenant, agentId }, waiting: [], running: 0 };
    this.#lanes.set(name, lane);
    return lane;
  }

  #fill(lane: Lane): void {
    while (this.#handler && lane.running < this.#options.concurrency(lane.agent)) {
      const held = lane.waiting.shift();
      if (held === undefined) return;
      lane.running += 1;
      void this.#track(this.#run(held, this.#handler, lane));
    }
  }

  async #run(held: Held, handler: AttemptHandler, lane: Lane): Promise<void> {
    const handled = await this.#deliver(held, handler);
    lane.running -= 1;
    if (handled === 'done') this.#held.delete(keyOf(held.job));
    else if (handled === 'threw' && this.#handler) this.#rest(held);
    else await this.#giveBack([held]);
    this.#fill(lane);
  }

  async #deliver(held: Held, handler: AttemptHandler): Promise<Handled | 'threw'> {
    held.deliveries += 1;
    held.takenMs = this.#options.clock.now();
    const noteRemoteTask = (remoteTaskId: string): void => {
      held.job = { ...held.job, remoteTaskId };
    };
    try {
      return await handler({ job: held.job, again: held.deliveries > 1, noteRemoteTask });
    } catch (error) {
      const { taskId } = held.job;
      this.#options.logger.warn({ err: error, taskId }, 'an attempt could not be recorded and is delivered again');
      return 'threw';
    }
  }

  #rest(held: Held): void {
    const cancel = this.#options.clock.schedule(redeliveryDelayMs(held.deliveries), () => {
      delete held.endRest;
      this.#wait(held);
    });
    held.endRest = cancel;
  }

  /** At shutdown. The assigner offers again what the queue does not take now. */
  #giveBack(all: readonly Held[]): Promise<void> {
    for (const { job } of all) this.#held.delete(keyOf(job));
    if (all.length === 0) return Promise.resolve();
    return this.#track(
      this.#options.queue
        .offer(all.map(({ job }) => job))
        .catch((error: unknown) =>
          this.#options.logger.debug({ err: error, jobs: all.length }, 'jobs could not be handed back to the queue'),
        ),
    );
  }

  #track(work: Promise<void>): Promise<void> {
    const tracked = work.finally(() => this.#open.delete(tracked));
    this.#open.add(tracked);
    return tracked;
  }
}
