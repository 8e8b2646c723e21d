import { type BackendFactory, createRedisBackend, type RedisQueueBackend } from 'bullmq';
import { type Clock, sleep } from '../../platform/clock.ts';

/** Waits in a row that ended without a word, of 5 s each, until a worker goes to sleep. */
const IDLE_WAITS = 6;

export type AttemptWorker = {
  /** Takes no new jobs; those it holds go on. */
  pause(): Promise<void>;
  /** Closes at once when `abandon`; otherwise waits for the jobs that it holds. */
  close(options: { readonly abandon: boolean }): Promise<void>;
};

/** A worker that is awake. */
export type AwakeWorker = AttemptWorker & { readonly holdsJobs: boolean };

/** A backend of BullMQ that waits to be told of jobs, where the usual one waits for them on a connection of its own. */
export class Told {
  readonly #clock: Clock;
  readonly #onIdle: () => void;
  #word = new AbortController();
  #idleWaits = 0;

  constructor(clock: Clock, onIdle: () => void) {
    this.#clock = clock;
    this.#onIdle = onIdle;
  }

  /** There may be jobs. */
  tell(): void {
    this.#idleWaits = 0;
    this.#word.abort();
  }

  readonly backend: BackendFactory<RedisQueueBackend> = (name, options) => {
    const backend = createRedisBackend(name, options, {});
    return Object.assign(backend, {
      waitForJob: (seconds: number) => this.wait(seconds * 1_000),
      disconnectBlocking: async () => this.#word.abort(),
    });
  };

  /** Until it is told of a job, or for that time. Then the worker asks for one in any case. */
  async wait(ms: number): Promise<null> {
    const word = this.#word;
    await sleep(this.#clock, ms, word.signal);
    if (word.signal.aborted) this.#word = new AbortController();
    else this.#idleWaits += 1;
    if (this.#idleWaits >= IDLE_WAITS) this.#onIdle();
    return null;
  }
}

/**
 * The worker of a queue that seldom has jobs: there is one only from when a job is offered until none has come for half a minute. Ten
 * thousand of them cost nothing while they sleep.
 */
export class OnDemandWorker implements AttemptWorker {
  readonly #open: (told: Told) => AwakeWorker;
  readonly #clock: Clock;
  #awake: { readonly worker: AwakeWorker; readonly told: Told } | undefined;
  #fallingAsleep: Promise<void> = Promise.resolve();
  #stopListening: () => void = () => {};
  #isPaused = false;

  constructor(clock: Clock, open: (told: Told) => AwakeWorker) {
    this.#clock = clock;
    this.#open = open;
  }

  listen(listen: (hear: () => void) => () => void): this {
    this.#stopListening = listen(() => this.#wake());
    return this;
  }

  async pause(): Promise<void> {
    this.#isPaused = true;
    this.#stopListening();
    await this.#awake?.worker.pause();
  }

  async close(options: { readonly abandon: boolean }): Promise<void> {
    this.#isPaused = true;
    this.#stopListening();
    await Promise.all([this.#awake?.worker.close(options), this.#fallingAsleep]);
    this.#awake = undefined;
  }

  #wake(): void {
    if (this.#isPaused) return;
    if (this.#awake) {
      this.#awake.told.tell();
      return;
    }
    const told = new Told(this.#clock, () => this.#sleep());
    this.#awake = { told, worker: this.#open(told) };
  }

  #sleep(): void {
    const { worker } = this.#awake ?? {};
    if (worker === undefined || worker.holdsJobs || this.#isPaused) return;
    this.#awake = undefined;
    this.#fallingAsleep = worker.close({ abandon: false }).catch(() => {});
  }
}
