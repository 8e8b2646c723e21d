import type { Position } from '../../eventstore/event-store.ts';
import { EdgeError } from '../errors.ts';

/** A change with its position in the log. Several may share one position (one event, many subjects). */
export type Placed = { readonly position: Position };

/**
 * One reader of changes. Up to `limit` changes wait for it. A reader that falls further behind is cut off, with the position to resume
 * from.
 */
export class Subscriber<Change extends Placed> {
  readonly #limit: number;
  readonly #onCutOff: (error: EdgeError) => void;
  #pending: Change[] = [];
  #last: Position;
  #end: { readonly error?: EdgeError } | undefined;
  #wake: (() => void) | undefined;

  /** @param after position that the reader has received already */
  constructor(after: Position, limit: number, onCutOff: (error: EdgeError) => void = () => undefined) {
    this.#last = after;
    this.#limit = limit;
    this.#onCutOff = onCutOff;
  }

  /** Changes come in log order; those that the reader has received are left out. */
  push(change: Change): void {
    if (this.#end !== undefined || change.position <= this.#last) return;
    if (this.#pending.length < this.#limit) {
      this.#pending.push(change);
      this.#wake?.();
    } else this.#cutOff();
  }

  /** The reader has received everything up to `position` from elsewhere. */
  skipTo(position: Position): void {
    if (position <= this.#last) return;
    this.#last = position;
    this.#pending = this.#pending.filter((change) => change.position > position);
  }

  end(): void {
    this.#end ??= {};
    this.#wake?.();
  }

  /**
   * Waits for changes; returns at least one and about `most`. All changes of one position come together, so that a reader can resume
   * after it. Undefined at the end.
   *
   * Errors: `EdgeError` `SLOW_CONSUMER` once the reader was cut off.
   */
  async take(most: number): Promise<Change[] | undefined> {
    while (this.#pending.length === 0) {
      if (this.#end?.error) throw this.#end.error;
      if (this.#end) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    let count = Math.min(most, this.#pending.length);
    while (this.#pending[count] && this.#pending[count]?.position === this.#pending[count - 1]?.position) count += 1;
    const taken = this.#pending.splice(0, count);
    this.#last = taken.at(-1)?.position ?? this.#last;
    return taken;
  }

  #cutOff(): void {
    const error = new EdgeError(
      'SLOW_CONSUMER',
      `more than ${this.#limit} changes were waiting to be read; subscribe again with fromPosition ${this.#last}`,
      { limit: this.#limit, resumeFrom: String(this.#last) },
    );
    this.#pending = [];
    this.#end = { error };
    this.#wake?.();
    this.#onCutOff(error);
  }
}
