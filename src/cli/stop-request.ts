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
  readonly #first: Promise<Signal>;
  readonly #controller = new AbortController();
  #requestedAt = 0;

  constructor() {
    this.#first = new Promise((resolve) => {
      for (const name of SIGNALS) process.on(name, () => this.#take(name, resolve));
    });
  }

  get requested(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Aborts with the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves with the first signal. */
  wait(): Promise<Signal> {
    return this.#first;
  }

  #take(name: Signal, resolve: (name: Signal) => void): void {
    if (!this.requested) {
      this.#requestedAt = performance.now();
      this.#controller.abort();
      resolve(name);
    } else if (performance.now() - this.#requestedAt > SAME_REQUEST_MS)
      process.exit(name === 'SIGINT' ? EXIT.interrupted : EXIT.terminated);
  }
}
