/** Requirements that are remembered: about 1 MB. With fewer, `round_robin` begins anew where requirements vary more. */
export const MAX_TURNS = 10_000;

export type TurnsSnapshot = readonly (readonly [requirement: string, turns: number])[];

/** Decisions made per requirement; what `round_robin` rotates on. The requirement that was served longest ago is forgotten first. */
export class Turns {
  /** The one that was served last is at the end. */
  readonly #turns: Map<string, number>;

  constructor(snapshot: TurnsSnapshot = []) {
    this.#turns = new Map(snapshot);
  }

  snapshot(): TurnsSnapshot {
    return [...this.#turns];
  }

  of(requirement: string): number {
    return this.#turns.get(requirement) ?? 0;
  }

  count(requirement: string): void {
    const turns = this.of(requirement) + 1;
    this.#turns.delete(requirement);
    this.#turns.set(requirement, turns);
    const [oldest] = this.#turns.keys();
    if (this.#turns.size > MAX_TURNS && oldest !== undefined) this.#turns.delete(oldest);
  }
}
