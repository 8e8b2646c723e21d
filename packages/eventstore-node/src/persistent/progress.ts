/** Everything up to `place` is dealt with; `sequence` counts the events considered until there. */
export type Checkpoint = {
  readonly place: number;
  readonly sequence: number;
};

/** Follows which events of the source are still open, to know how far everything is dealt with. */
export class Progress {
  /** Open events in the order of their places, each with the checkpoint just before it. */
  readonly #open = new Map<number, Checkpoint>();
  #last: Checkpoint;

  /** `place`: up to where everything was dealt with before. */
  constructor(place: number) {
    this.#last = { place, sequence: 0 };
  }

  begin(place: number): void {
    this.#open.set(place, this.#last);
    this.passOver(place);
  }

  /** An event that no client handles: filtered out, or no longer readable. */
  passOver(place: number): void {
    this.#last = { place, sequence: this.#last.sequence + 1 };
  }

  settle(place: number): void {
    this.#open.delete(place);
  }

  get checkpoint(): Checkpoint {
    for (const before of this.#open.values()) return before;
    return this.#last;
  }
}
