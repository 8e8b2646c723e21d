import type { Logger } from '../platform/logger.ts';

/** What a command has to put away: in reverse order, each step once, whatever fails. */
export class Undo {
  readonly #steps: (() => Promise<unknown>)[] = [];

  add(step: () => Promise<unknown>): void {
    this.#steps.push(step);
  }

  async run(logger: Logger): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop())
      await step().catch((error: unknown) => logger.warn({ err: error }, 'not everything could be put away'));
  }
}
