import type { Position } from '../eventstore/event-store.ts';

/** Names of reliability.md §3. */
export type InvariantId =
  | 'S1'
  | 'S2'
  | 'S3'
  | 'S4'
  | 'S5'
  | 'S6'
  | 'S7'
  | 'S8'
  | 'S9'
  | 'S10'
  | 'S11'
  | 'S12'
  | 'S13'
  | 'S14'
  | 'S15'
  | 'S17'
  | 'S18'
  | 'S22'
  | 'S25'
  | 'L1'
  | 'L4';

export type Violation = {
  readonly invariant: InvariantId;
  readonly message: string;
  /** Of the event that broke it, if one did. */
  readonly position?: Position;
};

/** One fault can break an invariant in many places: all are counted, this many of each are reported. */
const REPORTED_PER_INVARIANT = 50;

export class Violations {
  readonly reported: Violation[] = [];
  readonly #counts = new Map<InvariantId, number>();

  add(invariant: InvariantId, message: string, position?: Position): void {
    const count = (this.#counts.get(invariant) ?? 0) + 1;
    this.#counts.set(invariant, count);
    if (count <= REPORTED_PER_INVARIANT)
      this.reported.push({ invariant, message, ...(position === undefined ? {} : { position }) });
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }
}
