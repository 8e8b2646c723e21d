import { endsTask } from '../../domain/task/events.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import type { AttemptJob } from '../queues/attempt-queue.ts';
import type { Handled } from '../queues/worker.ts';
import { type AbortReason, CallAborted } from '../transports/transport.ts';

/** One attempt that this process is working on. */
export class RunningAttempt {
  readonly attempt: number;
  readonly #controller = new AbortController();
  #callEnded = false;

  constructor(attempt: number) {
    this.attempt = attempt;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the call to the agent; without effect once the call has ended, so that an outcome being recorded is not lost. */
  abort(reason: AbortReason): void {
    if (!this.#callEnded) this.#controller.abort(new CallAborted(reason));
  }

  callEnded(): void {
    this.#callEnded = true;
  }
}

/** Whether an event of a task makes the call of this attempt pointless. An unknown outcome does not: a late answer settles it. */
const endsCall = (event: StoredEvent, attempt: number): boolean =>
  event.type === 'TaskAttemptFailed'
    ? ((event.data as { attempt?: number }).attempt ?? 0) >= attempt
    : endsTask(event.type) && event.type !== 'TaskOutcomeUnknown';

const keyOf = (tenant: string, taskId: string): string => `${tenant}.${taskId}`;

/** The attempts this process is working on, by their task. */
export class InFlight {
  readonly #running = new Map<string, { readonly run: RunningAttempt; done: Promise<Handled> }>();

  get size(): number {
    return this.#running.size;
  }

  /**
   * Runs `work` for the job. When this process already works on the same attempt (its job was lost and offered again), it joins that work
   * instead. Of two attempts of a task, the older one is aborted, or not begun.
   */
  run(job: AttemptJob, work: (run: RunningAttempt) => Promise<Handled>): Promise<Handled> {
    const key = keyOf(job.tenant, job.taskId);
    const present = this.#running.get(key);
    if (present?.run.attempt === job.attempt) return present.done;
    if (present && present.run.attempt > job.attempt) return Promise.resolve('done');
    present?.run.abort('closed');
    const run = new RunningAttempt(job.attempt);
    const entry = { run, done: Promise.resolve<Handled>('done') };
    this.#running.set(key, entry);
    entry.done = work(run).finally(() => {
      if (this.#running.get(key) === entry) this.#running.delete(key);
    });
    return entry.done;
  }

  /** Aborts the call of an attempt that this event closed. Our own outcomes arrive here too, but after their call. */
  observe(event: StoredEvent): void {
    if (this.#running.size === 0) return;
    const { taskId } = event.data as { readonly taskId?: unknown };
    const run = typeof taskId === 'string' ? this.#running.get(keyOf(event.metadata.tenant, taskId))?.run : undefined;
    if (run && endsCall(event, run.attempt)) run.abort('closed');
  }

  abortAll(reason: AbortReason): void {
    for (const { run } of this.#running.values()) run.abort(reason);
  }

  /** Resolves when nothing is in flight. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running.values()].map(({ done }) => done));
  }
}
