import type { Place, Registration } from './options.ts';
import { BatonAway, BatonRefused, BatonServer, type Known } from './server.ts';

/** Share of the interval after which the next heartbeat is sent, so that it arrives before the interval is over. */
const EARLY = 0.8;
/** Pauses after failures: they double, with a random part so that the agents of a fleet do not come back at once. In milliseconds. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
/** How long a stopping agent waits for Baton to say that it has the news, and how often it asks what is still on its way. */
const FAREWELL_MS = 2_000;
const ASK_MS = 100;

/** Does not keep the process alive: what is waited for does. */
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

const soon = async <Value>(work: Promise<Value>): Promise<Value> => {
  const late = sleep(FAREWELL_MS).then(() => {
    throw new BatonAway(`Baton does not answer in ${FAREWELL_MS / 1_000} s`);
  });
  return Promise.race([work, late]);
};

const isTrouble = (error: unknown): error is BatonAway | BatonRefused =>
  error instanceof BatonAway || error instanceof BatonRefused;

type Options = {
  readonly place: Place;
  readonly cardUrl: string;
  /** Whether the agent warms up first. */
  readonly warmsUp: boolean;
  /** Calls at work. */
  readonly running: () => number;
};

/**
 * An agent's place in a Baton server: registered (again, when the server has given it up), with heartbeats that say its load, until it leaves.
 * While the server is away it is tried again and again; the agent serves all the same.
 */
export class Membership {
  readonly #options: Options;
  readonly #server: BatonServer;
  readonly #registration: Registration;
  #known: Known | undefined;
  /** `due`: Baton waits to hear that the agent is warm. */
  #warmUp: 'cold' | 'due' | 'told';
  #turn: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #trouble: { readonly kind: 'BatonAway' | 'BatonRefused'; readonly sinceMs: number } | undefined;
  #state: 'joining' | 'leaving' | 'left' = 'joining';

  constructor(options: Options) {
    const { url, agentId, registrationAt } = options.place;
    this.#options = options;
    this.#server = new BatonServer(url, agentId);
    this.#registration = registrationAt(options.cardUrl);
    this.#warmUp = options.warmsUp ? 'cold' : 'told';
  }

  /** Registers. When Baton is away it goes on trying after this. Errors: `BatonRefused`. */
  async join(): Promise<void> {
    const joining = this.#register().then(
      () => this.#plan(this.#intervalMs()),
      (error) => {
        if (!(error instanceof BatonAway)) throw error;
        this.#failed(error);
      },
    );
    this.#turn = joining.catch(() => {}); // the caller of `join` is told
    await joining;
  }

  /** The agent is warm. */
  async ready(): Promise<void> {
    if (this.#warmUp !== 'cold') return;
    this.#warmUp = 'due';
    await this.#take();
  }

  /** Asks for no new work, and waits until what Baton had given is done, at most `limitMs`. Heartbeats go on. */
  async retire(limitMs: number): Promise<void> {
    const untilMs = performance.now() + limitMs;
    this.#state = 'leaving';
    await Promise.race([this.#turn, sleep(FAREWELL_MS)]);
    if (this.#known === undefined) return;
    try {
      const position = await soon(this.#server.drain(limitMs));
      while (performance.now() < untilMs) {
        const { openTasks } = await soon(this.#server.show(position));
        if (openTasks === 0) return;
        await sleep(ASK_MS);
      }
    } catch (error) {
      if (!isTrouble(error)) throw error; // the agent stops all the same; `leave` says so
    }
  }

  /** Takes the agent out of the fleet; does not wait long for a server that is away. */
  async leave(): Promise<void> {
    this.#state = 'left';
    clearTimeout(this.#timer);
    if (this.#known === undefined) return;
    try {
      await soon(this.#server.deregister());
    } catch (error) {
      if (!isTrouble(error)) throw error;
      this.#say(`${error.message}; it will notice that the agent sends no heartbeats`);
    }
  }

  #take(): Promise<void> {
    clearTimeout(this.#timer);
    this.#turn = this.#turn.then(() => this.#step());
    return this.#turn;
  }

  /** Does what is due, and plans the next step. */
  async #step(): Promise<void> {
    if (this.#state === 'left') return;
    try {
      if (!(await this.#isKnown())) {
        const gone = this.#known !== undefined;
        this.#known = undefined;
        if (this.#state !== 'joining') return;
        if (gone) this.#say(`Baton no longer knows agent ${this.#registration.agentId}: it registers again`);
        await this.#register();
      }
      this.#recovered();
      this.#plan(this.#intervalMs());
    } catch (error) {
      if (!isTrouble(error)) throw error;
      this.#failed(error);
    }
  }

  async #isKnown(): Promise<boolean> {
    if (this.#known === undefined) return false;
    if (this.#warmUp !== 'due') return this.#beat(this.#known);
    const known = await this.#server.ready();
    if (known) this.#warmUp = 'told';
    return known;
  }

  async #register(): Promise<void> {
    const position = await this.#server.register(this.#registration);
    const known = await this.#server.show(position);
    if (this.#options.warmsUp && this.#warmUp === 'told') this.#warmUp = 'due';
    if (this.#warmUp === 'due' && (await this.#server.ready())) this.#warmUp = 'told';
    this.#known = known;
  }

  #beat({ maxConcurrency, heartbeatIntervalMs }: Known): Promise<boolean> {
    return this.#server.heartbeat(Math.min(1, this.#options.running() / maxConcurrency), heartbeatIntervalMs);
  }

  #intervalMs(): number {
    return EARLY * (this.#known?.heartbeatIntervalMs ?? LONGEST_PAUSE_MS);
  }

  #plan(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#state === 'left') return;
    this.#timer = setTimeout(() => void this.#take(), ms);
    this.#timer.unref();
  }

  #failed(error: BatonAway | BatonRefused): void {
    const kind = error instanceof BatonAway ? 'BatonAway' : 'BatonRefused';
    if (this.#trouble?.kind !== kind) this.#say(`${error.message}; the agent serves and tries again`);
    this.#trouble = { kind, sinceMs: this.#trouble?.sinceMs ?? performance.now() };
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS, this.#intervalMs());
    this.#failures += 1;
    this.#plan(pauseMs * (0.5 + Math.random() / 2));
  }

  #recovered(): void {
    this.#failures = 0;
    if (this.#trouble === undefined) return;
    const seconds = Math.round((performance.now() - this.#trouble.sinceMs) / 1_000);
    this.#trouble = undefined;
    const { url, agentId } = this.#options.place;
    this.#say(`Baton at ${url} answers again after ${seconds} s: agent ${agentId} is registered`);
  }

  #say(line: string): void {
    this.#options.place.log(line);
  }
}
