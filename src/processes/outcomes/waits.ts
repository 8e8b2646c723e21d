import { z } from 'zod';
import type { Accepted } from '../../commands/context.ts';
import { ok, type Result } from '../../domain/result.ts';
import { type Clock, orAborted } from '../../platform/clock.ts';
import { AppError, unavailable } from '../../platform/errors.ts';
import type { ExecutionOutcome, ExecutionOutcomes } from './execution-outcomes.ts';
import type { WaitOptions } from './outcome-book.ts';
import type { TaskOutcome, TaskOutcomes } from './task-outcomes.ts';

/** The longest that a request may wait for an outcome. Proxies often cut a request that is silent for a minute. */
export const MAX_WAIT_MS = 60_000;
/** Requests of a process that wait at a time. Each holds a connection of its client. */
const MAX_WAITS = 1_000;

export const WaitMs = z.int().min(0).max(MAX_WAIT_MS);

/** How long a caller waits for an outcome, at most. */
export type Patience = {
  /** 0 to `MAX_WAIT_MS`; with 0 nobody waits. */
  readonly ms: number;
  /** Aborts when the caller has left. */
  readonly gone: AbortSignal;
};

/** What was accepted, and how it ended if it did while the caller waited. */
export type WithOutcome<Outcome> = Accepted & { readonly outcome?: Outcome };

type Parts = {
  readonly tasks: Pick<TaskOutcomes, 'wait'>;
  readonly executions: Pick<ExecutionOutcomes, 'wait'>;
  readonly clock: Clock;
  readonly limit?: number;
};

type Send<Refusal> = () => Promise<Result<Accepted, Refusal>>;

/**
 * Callers that send a command and wait for what becomes of it, in one request.
 *
 * A wait ends with the outcome, with the caller's patience, when the caller leaves, and when the server stops. Whatever ends it, the command
 * was accepted: without an outcome the answer still names it.
 */
export class Waits {
  readonly #parts: Parts;
  readonly #limit: number;
  readonly #open = new Set<AbortController>();
  #closed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#limit = parts.limit ?? MAX_WAITS;
  }

  /** Callers that wait now. */
  get size(): number {
    return this.#open.size;
  }

  /** Errors: those of `send`; `AppError` `UNAVAILABLE`, before anything is sent, when as many wait as may. */
  task<Refusal>(
    tenant: string,
    patience: Patience,
    send: Send<Refusal>,
  ): Promise<Result<WithOutcome<TaskOutcome>, Refusal>> {
    const { tasks } = this.#parts;
    return this.#after(patience, send, (id, options) => tasks.wait(tenant, id, options));
  }

  /** As `task`. */
  execution<Refusal>(
    tenant: string,
    patience: Patience,
    send: Send<Refusal>,
  ): Promise<Result<WithOutcome<ExecutionOutcome>, Refusal>> {
    const { executions } = this.#parts;
    return this.#after(patience, send, (id, options) => executions.wait(tenant, id, options));
  }

  /** Ends every wait; from now on nobody waits. */
  close(): void {
    this.#closed = true;
    for (const wait of this.#open) wait.abort();
  }

  async #after<Outcome, Refusal>(
    { ms, gone }: Patience,
    send: Send<Refusal>,
    outcomeOf: (id: string, options: WaitOptions) => Promise<Outcome>,
  ): Promise<Result<WithOutcome<Outcome>, Refusal>> {
    if (ms === 0 || this.#closed) return send();
    if (this.#open.size >= this.#limit)
      throw unavailable(`${this.#limit} requests already wait for an outcome; send this one without waiting, or later`);
    const wait = new AbortController();
    const end = (): void => wait.abort();
    this.#open.add(wait);
    const cancel = this.#parts.clock.schedule(ms, end);
    gone.addEventListener('abort', end, { once: true });
    if (gone.aborted) end();
    try {
      const sent = await send();
      if (!sent.ok) return sent;
      const { id, repeated } = sent.value;
      const outcome = await unlessEnded((options) => outcomeOf(id, { ...options, fresh: repeated }), wait.signal);
      return ok(outcome === undefined ? sent.value : { ...sent.value, outcome });
    } finally {
      cancel();
      gone.removeEventListener('abort', end);
      this.#open.delete(wait);
      end(); // whoever still watches for the outcome stops
    }
  }
}

/** Undefined when the signal aborts first, or when this process cannot tell the outcome. */
const unlessEnded = async <Outcome>(
  outcomeOf: (options: WaitOptions) => Promise<Outcome>,
  signal: AbortSignal,
): Promise<Outcome | undefined> => {
  let found: Outcome | undefined;
  const work = outcomeOf({ signal }).then(
    (outcome) => {
      found = outcome;
    },
    (error: unknown) => {
      if (!(error instanceof AppError)) throw error;
    },
  );
  await orAborted(work, signal);
  return found;
};
