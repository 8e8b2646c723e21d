import type { Json } from '../json.ts';
import { roughBytes } from '../rough-bytes.ts';
import { Budget, MAX_EVALUATION_STEPS } from '../workflow/budget.ts';
import type { Running } from './state.ts';

/**
 * Rough bytes that one decision may add by starting steps: with a result of 256 KiB and everything in three-byte characters its append
 * stays below the store's 1 MiB. What is left starts with the next decision.
 */
const START_BYTES = 192 * 1024;

/** Of a task's first event without its input: 1,000 starts at once would leave no room for a result. */
const EVENT_BYTES = 600;
/** Of an event that carries no payload. */
const SMALL_EVENT_BYTES = 300;

/** Room for new tasks within one decision: their number, their bytes, and the steps of evaluating expressions. */
export class Room {
  readonly #maxParallel: number;
  #bytes = START_BYTES;
  #steps = MAX_EVALUATION_STEPS;
  #evaluation = new Budget();

  constructor({ compiled }: Running) {
    this.#maxParallel = compiled.definition.coordination.maxParallel;
  }

  /** Whether a task may start. */
  has(execution: Running): boolean {
    return execution.openTasks < this.#maxParallel && this.takes();
  }

  /** Whether the decision takes more. What does not fit is decided next, see `continueLater`. */
  takes(): boolean {
    return this.#bytes > 0 && this.#steps > this.#evaluation.steps;
  }

  /** For one evaluation. What all of them take bounds how long a decision goes on. */
  evaluation(): Budget {
    this.#steps -= this.#evaluation.steps;
    this.#evaluation = new Budget();
    return this.#evaluation;
  }

  take(payload: Json): void {
    this.#bytes -= roughBytes(payload) + EVENT_BYTES;
  }

  takeBytes(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** For an event that carries no payload. */
  takeEvent(): void {
    this.#bytes -= SMALL_EVENT_BYTES;
  }
}
