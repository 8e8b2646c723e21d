import { hash32, mixed } from './hash32.ts';

const CIRCLE = 0x1_0000_0000;

/** How many points of the circle a key looks at. With 21 the fullest member gets about 1.05 of the mean (Appleton and O'Reilly, 2015). */
export const PROBES = 21;

export type Near = { readonly id: string; readonly distance: number };

const isNearer = (a: Near, b: Near): boolean => a.distance < b.distance || (a.distance === b.distance && a.id < b.id);

/**
 * Members on a circle, one point each; a key belongs to the member that follows closest on one of its probes. When a member leaves, only
 * its keys move. Finding takes O(log n); joining moves the points that follow, four bytes and a reference each.
 */
export class HashRing {
  #points: number[] = [];
  #ids: string[] = [];

  get size(): number {
    return this.#ids.length;
  }

  add(id: string): void {
    const point = hash32(id);
    const at = this.#placeOf(point, id);
    if (this.#ids[at] === id) return;
    this.#points.splice(at, 0, point);
    this.#ids.splice(at, 0, id);
  }

  delete(id: string): void {
    const at = this.#placeOf(hash32(id), id);
    if (this.#ids[at] !== id) return;
    this.#points.splice(at, 1);
    this.#ids.splice(at, 1);
  }

  /** What follows on each probe of the key, one after the other. */
  near(key: string): Near[] {
    if (this.#ids.length === 0) return [];
    const start = hash32(key);
    const found: Near[] = [];
    for (let probe = 0; probe < PROBES; probe += 1) {
      const point = mixed(start + Math.imul(probe, 0x9e3779b1));
      const at = this.#following(point);
      found.push({ id: this.#ids[at] as string, distance: ((this.#points[at] as number) - point + CIRCLE) % CIRCLE });
    }
    return found;
  }

  #following(point: number): number {
    let [from, to] = [0, this.#points.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#points[middle] as number) < point) from = middle + 1;
      else to = middle;
    }
    return from === this.#points.length ? 0 : from;
  }

  #placeOf(point: number, id: string): number {
    let [from, to] = [0, this.#points.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const other = this.#points[middle] as number;
      if (other < point || (other === point && (this.#ids[middle] as string) < id)) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** The members of several rings nearest to a key, as if they were on one: nearest first. */
export const nearest = (rings: readonly HashRing[], key: string): string[] => {
  const onProbe: Near[] = [];
  for (const ring of rings)
    ring.near(key).forEach((near, probe) => {
      const known = onProbe[probe];
      if (!known || isNearer(near, known)) onProbe[probe] = near;
    });
  return [...new Set(onProbe.sort((a, b) => (isNearer(a, b) ? -1 : 1)).map(({ id }) => id))];
};
