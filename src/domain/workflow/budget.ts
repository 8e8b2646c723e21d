/**
 * What one evaluation may take. A step is about what it takes to evaluate a part of the expression once; other work counts as so many of
 * them. With the bytes it bounds how long nothing else runs (`npm run -s bench -- expressions`: at most 50 ms).
 */
export const MAX_EVALUATION_STEPS = 250_000;
/** Characters and list places of everything that an evaluation makes, in between and at the end. */
export const MAX_EVALUATION_BYTES = 4 * 1024 * 1024;

/** Of an error, which records where it was made. */
export const ERROR_STEPS = 100;

/** Thrown when an evaluation takes more than it may. */
export class BudgetExceeded extends Error {}

/**
 * Counts what an evaluation does, so that it ends at the same place wherever and whenever it runs: nothing here looks at a clock.
 *
 * Once it is used up everything fails: CEL's `all` and `exists` go on after an error.
 */
export class Budget {
  #steps = 0;
  #bytes = 0;
  #exceeded: BudgetExceeded | undefined;
  #lastError: unknown;

  get steps(): number {
    return this.#steps;
  }

  get exceeded(): BudgetExceeded | undefined {
    return this.#exceeded;
  }

  /** Errors: `BudgetExceeded`. */
  takeSteps(count: number): void {
    this.#steps += count;
    if (this.#steps > MAX_EVALUATION_STEPS || this.#exceeded !== undefined)
      throw this.#exceed(
        `takes more than ${MAX_EVALUATION_STEPS} steps: let it go through less, or let an agent do the work`,
      );
  }

  /** Errors: `BudgetExceeded`. */
  takeBytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes > MAX_EVALUATION_BYTES || this.#exceeded !== undefined)
      throw this.#exceed(
        `makes values of more than ${MAX_EVALUATION_BYTES} bytes in all: let it make less, or let an agent do the work`,
      );
  }

  /** An error passes through every part around the one that failed, and counts once. */
  takeError(error: unknown): void {
    if (error !== this.#lastError) this.takeSteps(ERROR_STEPS);
    this.#lastError = error;
  }

  #exceed(message: string): BudgetExceeded {
    this.#exceeded ??= new BudgetExceeded(message);
    return this.#exceeded;
  }
}
