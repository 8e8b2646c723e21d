import { type Clock, sleep } from '../platform/clock.ts';

/**
 * Lets the writers of a stream go one after the other. A hint that saves work: whoever gets no turn in time goes without, and the stream's
 * expected revision decides, as always.
 */
export type Turns = {
  /** Resolves with the turn once it has come; also when it did not come in time, or nobody can be asked. */
  take(stream: string): Promise<Turn>;
};

export type Turn = {
  /** Somebody else had it. */
  readonly waited: boolean;
  end(): void;
};

/** For how long after a conflict a stream counts as contended. Too short costs a conflict each time, too long some turns without need. */
const CONTENDED_MS = 2_000;
/** How long commands for a contended stream are collected before a turn is asked for; without it, turns of one command each follow each other. */
const GATHER_MS = 20;
/** Streams that are remembered as contended. */
const REMEMBERED = 1_000;

/** Which streams other processes write to as well, so that appending at once would often be in vain. */
export class Contention {
  readonly #turns: Turns | undefined;
  readonly #clock: Clock;
  readonly #until = new Map<string, number>();

  constructor(turns: Turns | undefined, clock: Clock) {
    this.#turns = turns;
    this.#clock = clock;
  }

  /** Somebody else writes to the stream as well. */
  conflict(stream: string): void {
    if (this.#turns === undefined) return;
    this.#until.delete(stream);
    const [oldest] = this.#until.keys();
    if (oldest !== undefined && this.#until.size >= REMEMBERED) this.#until.delete(oldest);
    this.#until.set(stream, this.#clock.monotonic() + CONTENDED_MS);
  }

  /** The turn, once it has come; undefined for a stream that is not contended, which need not wait at all. */
  turn(stream: string): Promise<Turn> | undefined {
    const until = this.#until.get(stream);
    if (until === undefined || this.#turns === undefined) return undefined;
    if (until >= this.#clock.monotonic()) return this.#take(stream, this.#turns);
    this.#until.delete(stream);
    return undefined;
  }

  async #take(stream: string, turns: Turns): Promise<Turn> {
    await sleep(this.#clock, GATHER_MS);
    const turn = await turns.take(stream);
    if (turn.waited) this.conflict(stream);
    return turn;
  }
}
