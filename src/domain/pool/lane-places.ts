import { LANES, type Lane } from './matching.ts';

export type PlacesByLane = Readonly<Partial<Record<Lane, number>>>;

/** How many attempts the dispatchers can call at once. A lane without a limit takes what its agents take. */
export class LanePlaces {
  readonly #places: Partial<Record<Lane, number>> = {};

  limit(lane: Lane, places: number | undefined): void {
    if (places === undefined) delete this.#places[lane];
    else this.#places[lane] = places;
  }

  /** The limits as they are. */
  known(): PlacesByLane {
    return { ...this.#places };
  }

  /** Lanes in which more can be called than are held. */
  open(held: Readonly<Record<Lane, number>>): readonly Lane[] {
    return LANES.filter((lane) => held[lane] < (this.#places[lane] ?? Number.POSITIVE_INFINITY));
  }
}
