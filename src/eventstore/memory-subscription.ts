import type { AllSubscriber, AllSubscription, StoredEvent } from './event-store.ts';

/** Events considered between two checkpoints. */
const CHECKPOINT_EVERY = 32;

export const isSystemEvent = (event: StoredEvent): boolean =>
  event.type.startsWith('$') || event.stream.startsWith('$');

/** One subscriber of a log in memory: it reads on until the end, waits to be woken, and goes on. */
export class MemorySubscription implements AllSubscription {
  readonly done: Promise<void>;
  readonly #log: readonly StoredEvent[];
  readonly #subscriber: AllSubscriber;
  #next: number;
  #sinceCheckpoint = 0;
  #caughtUp = false;
  #stopped = false;
  #wake: () => void = () => {};

  constructor(log: readonly StoredEvent[], subscriber: AllSubscriber, start: number) {
    this.#log = log;
    this.#subscriber = subscriber;
    this.#next = start;
    this.done = this.#run();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  wake(): void {
    this.#wake();
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // as with a server, the first event arrives after `subscribeAll` has returned
    while (!this.#stopped) {
      const event = this.#log[this.#next];
      if (event === undefined) await this.#atEnd();
      else {
        this.#next += 1;
        await this.#consider(event);
      }
    }
  }

  async #consider(event: StoredEvent): Promise<void> {
    if (!isSystemEvent(event)) await this.#subscriber.onEvent(event);
    this.#sinceCheckpoint += 1;
    if (this.#sinceCheckpoint >= CHECKPOINT_EVERY && !this.#stopped) {
      this.#sinceCheckpoint = 0;
      await this.#subscriber.onCheckpoint?.(event.position);
    }
  }

  #atEnd(): Promise<void> {
    if (!this.#caughtUp) {
      this.#caughtUp = true;
      this.#subscriber.onCaughtUp?.();
    }
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#stopped || this.#next < this.#log.length) resolve();
    });
  }
}
