import type { Logger } from './logger.ts';

/** What was opened and must be closed again: last first, each step once, whatever the others do. */
export class Closing {
  readonly #steps: { readonly what: string; readonly close: () => Promise<unknown> | unknown }[] = [];

  /** @param what the thing that is closed, for the log: "the event store" */
  add(what: string, close: () => Promise<unknown> | unknown): void {
    this.#steps.push({ what, close });
  }

  /** Never throws: a step that fails is logged, and the next one runs. */
  async run(logger: Logger): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.close();
      } catch (error) {
        logger.warn({ err: error }, `${step.what} did not close cleanly`);
      }
    }
  }
}
