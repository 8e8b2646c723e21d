import { LRUCache } from 'lru-cache';
import { roughBytes } from '../../domain/rough-bytes.ts';
import { isKnownType } from '../../eventstore/codec.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import { AppError } from '../../platform/errors.ts';

/** Outcomes kept for callers that ask shortly after the end; an older one is read from the stream. */
const REMEMBERED = 10_000;
/** Results may have 256 KiB each: 10,000 of them would take gigabytes. */
const REMEMBERED_BYTES = 64 * 1024 * 1024;
/** Members of a list or object in a result that are measured. */
const SAMPLE = 100;

type Waiting<Outcome> = { readonly resolve: (outcome: Outcome) => void; readonly reject: (error: AppError) => void };

export type WaitOptions = {
  /** Ends the wait. */
  readonly signal?: AbortSignal;
  /** What is waited for may have ended elsewhere, before this wait: read its stream. */
  readonly fresh?: boolean;
};

const nobodyWaits = (stream: string): AppError => new AppError('TIMEOUT', `the caller no longer waits for ${stream}`);

const stopped = (stream: string): AppError =>
  new AppError('UNAVAILABLE', `this process stopped before ${stream} ended; ask again where Baton runs`);

/** How things ended, by their stream, for code in this process that waits. */
export class OutcomeBook<Outcome extends object> {
  readonly #recent: LRUCache<string, Outcome>;
  readonly #waiting = new Map<string, Set<Waiting<Outcome>>>();
  #unreadable = 0;
  #closed = false;

  constructor(remembered = REMEMBERED) {
    this.#recent = new LRUCache({
      max: remembered,
      maxSize: REMEMBERED_BYTES,
      sizeCalculation: (outcome) => roughBytes(outcome, SAMPLE),
    });
  }

  recent(stream: string): Outcome | undefined {
    return this.#recent.get(stream);
  }

  /**
   * Resolves with the next outcome that is settled.
   *
   * Errors: rejects with `AppError` `UNAVAILABLE` when this build cannot read the stream any further, and when the process stops;
   *         `TIMEOUT` when `signal` aborts.
   */
  next(stream: string, signal?: AbortSignal): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(stopped(stream));
      if (signal?.aborted) return reject(nobodyWaits(stream));
      const waiting = { resolve, reject };
      this.#waiting.set(stream, (this.#waiting.get(stream) ?? new Set()).add(waiting));
      signal?.addEventListener('abort', () => this.#leave(stream, waiting), { once: true });
    });
  }

  #leave(stream: string, waiting: Waiting<Outcome>): void {
    const all = this.#waiting.get(stream);
    if (!all?.delete(waiting)) return;
    if (all.size === 0) this.#waiting.delete(stream);
    waiting.reject(nobodyWaits(stream));
  }

  /** Events that somebody waited for, or that end something, and that this build could not read. */
  get unreadable(): number {
    return this.#unreadable;
  }

  /** Whether an event that is not one of the ends concerns somebody: a newer build may have written another kind of end. */
  mayEnd({ stream, type }: StoredEvent): boolean {
    return !isKnownType(type) && this.#waiting.has(stream);
  }

  /** This build cannot read the event. Only those who wait for its stream are told. */
  park({ stream, type, revision }: StoredEvent): void {
    this.#unreadable += 1;
    this.#recent.delete(stream);
    const waiting = this.#waiting.get(stream);
    this.#waiting.delete(stream);
    for (const { reject } of waiting ?? [])
      reject(
        new AppError(
          'UNAVAILABLE',
          `this build cannot read ${type} at revision ${revision} of stream ${stream}; a newer one wrote it`,
        ),
      );
  }

  /** Nobody follows the log any more: whoever still waits is told. */
  close(): void {
    this.#closed = true;
    for (const [stream, waiting] of this.#waiting) for (const { reject } of waiting) reject(stopped(stream));
    this.#waiting.clear();
  }

  settle(stream: string, outcome: Outcome): void {
    this.#recent.set(stream, outcome);
    const waiting = this.#waiting.get(stream);
    this.#waiting.delete(stream);
    for (const { resolve } of waiting ?? []) resolve(outcome);
  }

  /** The outcome no longer holds. */
  forget(stream: string): void {
    this.#recent.delete(stream);
  }
}
