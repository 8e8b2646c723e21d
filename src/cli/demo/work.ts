import { setTimeout as sleep } from 'node:timers/promises';
import { accepted, BatonError, resume, SubmitTask, type SubmitTaskInput, WatchTasks } from 'baton-client';
import type { Supplier } from '../../examples/carbon/suppliers.ts';
import type { Client } from '../client.ts';
import { refused } from '../failure.ts';
import type { Tracker } from './tracker.ts';

/** Concurrent submissions. */
const IN_FLIGHT = 32;
/** An agent is killed when this share of the tasks has ended … */
const KILL_AT = 0.4;
/** … and no more than this share is submitted before, so that work is open and more is to come. */
const SUBMITTED_BEFORE_KILL = 0.7;
/** The run has failed when no task ends for this long. */
const STALLED_MS = 60_000;
const SUBMIT_TRIES = 5;
const SUBMIT_RETRY_MS = 200;

const ENDS = ['TaskCompleted', 'TaskCancelled', 'TaskDeadLettered'];

/** Learns of ended tasks from `position` on, until `signal` aborts. A broken connection resumes where it broke. */
const listen = async (client: Client, tracker: Tracker, position: string, signal: AbortSignal): Promise<void> => {
  const open = (fromPosition: string) => client.subscribe(WatchTasks, { types: ENDS, fromPosition }, { signal });
  const changes = resume(open, {
    from: position,
    positionOf: ({ tasksChanged }) => tasksChanged.position,
    tries: Number.POSITIVE_INFINITY,
    delayMs: SUBMIT_RETRY_MS,
    signal,
  });
  for await (const { tasksChanged } of changes) {
    const at = performance.now();
    for (const { taskId } of tasksChanged.changes) tracker.heard(taskId, at);
  }
};

export type Run = {
  readonly client: Client;
  readonly tracker: Tracker;
  readonly runId: string;
  readonly pool: string;
  readonly suppliers: readonly Supplier[];
  /** Called midway; absent for a run without a fault. */
  readonly onMiddle?: () => void;
};

const inputOf = (pool: string, supplier: Supplier): SubmitTaskInput => ({
  capability: 'footprint',
  pool,
  input: supplier,
  timeoutMs: 10_000,
  retry: { kind: 'EXPONENTIAL', baseMs: 200, maxAttempts: 5 },
  tags: ['demo'],
});

/** The key makes a retry harmless: the answer may be lost, the task is not. */
const submitOne = async ({ client, tracker, runId, pool, suppliers }: Run, index: number): Promise<void> => {
  const variables = { input: inputOf(pool, suppliers[index] as Supplier), idempotencyKey: `demo/${runId}/${index}` };
  const calledAt = performance.now();
  for (let tries = 1; ; tries += 1) {
    try {
      const { id } = accepted(await client.execute(SubmitTask, variables));
      tracker.submitted(id, calledAt, performance.now());
      return;
    } catch (error) {
      if (!(error instanceof BatonError && error.retryable) || tries >= SUBMIT_TRIES) throw error;
      await sleep(SUBMIT_RETRY_MS * tries);
    }
  }
};

const submitAll = async (run: Run, middle: Promise<void>): Promise<void> => {
  const total = run.suppliers.length;
  const gate = Math.floor(SUBMITTED_BEFORE_KILL * total);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < total) {
      const index = next;
      next += 1;
      if (index >= gate) await middle;
      await submitOne(run, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, total) }, lane));
};

/** Rejects when nothing has ended for `STALLED_MS`. */
const failWhenStalled = async (tracker: Tracker, signal: AbortSignal): Promise<never> => {
  let { ended } = tracker;
  for (;;) {
    await sleep(STALLED_MS, undefined, { signal });
    if (tracker.ended === ended)
      throw refused('DEMO_STALLED', `no task has ended for ${STALLED_MS / 1_000} s; ${ended} had ended before`);
    ended = tracker.ended;
  }
};

/** Submits one task per supplier and resolves when all have ended. Ends are listened for after `position`. */
export const work = async (run: Run, position: string): Promise<void> => {
  const { client, tracker, suppliers, onMiddle } = run;
  const stop = new AbortController();
  const middle =
    onMiddle === undefined || suppliers.length < 2
      ? Promise.resolve()
      : tracker.untilEnded(Math.ceil(KILL_AT * suppliers.length)).then(onMiddle);
  const listening = listen(client, tracker, position, stop.signal);
  const stalled = failWhenStalled(tracker, stop.signal);
  const all = submitAll(run, middle).then(() => tracker.untilEnded(suppliers.length));
  try {
    // Until it is stopped, listening ends only by a failure.
    await Promise.race([all, listening, stalled]);
    await all;
  } finally {
    stop.abort();
    await Promise.allSettled([listening, stalled]);
  }
};
