import { once } from 'node:events';
import { EXIT } from './failure.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Signal = (typeof SIGNALS)[number];

/** Under `npm start`, Ctrl-C arrives twice: from the terminal and from npm. */
const SAME_REQUEST_MS = 500;

/**
 * Once constructed, the first signal asks the command to stop and a second one ends the process at once. For commands that
 * have to clean up.
 */
export class StopRequest {
  readonly #controller = new AbortController();
  #requestedAt = 0;
  #reason: Signal | 'crash' | undefined;
  #crashed = false;

  constructor() {
    for (const name of SIGNALS) process.on(name, () => this.#take(name));
  }

  get requested(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Aborts with the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves with the reason to stop. */
  async wait(): Promise<Signal | 'crash'> {
    const { signal } = this;
    if (!signal.aborted) await once(signal, 'abort');
    return this.#reason as Signal | 'crash';
  }

  /** Asks to stop as a signal does. */
  crash(): void {
    this.#crashed = true;
    this.#request('crash');
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  #take(name: Signal): void {
    if (!this.requested) this.#request(name);
    else if (performance.now() - this.#requestedAt > SAME_REQUEST_MS)
      process.exit(name === 'SIGINT' ? EXIT.interrupted : EXIT.terminated);
  }

  #request(reason: Signal | 'crash'): void {
    if (this.requested) return;
    this.#requestedAt = performance.now();
    this.#reason = reason;
    this.#controller.abort();
  }
}
