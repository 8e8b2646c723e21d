import type { PlannedCompensation } from '../compensation/plan.ts';
import { PersistentQueue } from '../structures/persistent-queue.ts';
import { PersistentVector } from '../structures/persistent-vector.ts';
import { IDLE, type UnitCompensation } from './unit-state.ts';

/** What stays the same while the compensations go on. */
type Plan = {
  readonly indexOf: ReadonlyMap<string, number>;
  /** For each unit, those that come after it. */
  readonly blocks: readonly (readonly number[])[];
  /** A compensation that has failed permanently does not keep later ones waiting. */
  readonly goesOn: boolean;
};

const isClosed = ({ status }: UnitCompensation): boolean => status === 'completed' || status === 'skipped';

/**
 * The compensations of an execution, by unit and in the order of the plan. Persistent, like the other parts of the state: a change
 * makes a new object. Whatever their number, finding the next one that is due and changing one of them take about the same time.
 */
export class Compensations implements Iterable<readonly [string, UnitCompensation]> {
  readonly #plan: Plan;
  readonly #units: PersistentVector<UnitCompensation>;
  /** For each unit, how many of those before it must still be waited for. */
  readonly #missing: PersistentVector<number>;
  /** Units that need not wait, and others that have begun since they were added; the head is due. */
  readonly #due: PersistentQueue<number>;
  readonly #closed: number;

  private constructor(
    plan: Plan,
    units: PersistentVector<UnitCompensation>,
    missing: PersistentVector<number>,
    due: PersistentQueue<number>,
    closed: number,
  ) {
    this.#plan = plan;
    this.#units = units;
    this.#missing = missing;
    this.#due = due;
    this.#closed = closed;
  }

  static none(goesOn: boolean): Compensations {
    const nothing = PersistentVector.from<never>(0, () => undefined as never);
    return new Compensations({ indexOf: new Map(), blocks: [], goesOn }, nothing, nothing, PersistentQueue.of(), 0);
  }

  get size(): number {
    return this.#units.length;
  }

  get areClosed(): boolean {
    return this.#closed === this.size;
  }

  get(unit: string): UnitCompensation | undefined {
    const index = this.#plan.indexOf.get(unit);
    return index === undefined ? undefined : this.#units.get(index);
  }

  values(): Iterable<UnitCompensation> {
    return this.#units;
  }

  *[Symbol.iterator](): Generator<readonly [string, UnitCompensation]> {
    for (const compensation of this.#units) yield [compensation.unit, compensation];
  }

  toJSON(): Readonly<Record<string, UnitCompensation>> {
    return Object.fromEntries(this);
  }

  /** The unit to be compensated next; undefined when none is due. */
  next(): string | undefined {
    const { head } = this.#due;
    return head === undefined ? undefined : this.#units.get(head).unit;
  }

  /** With more units to compensate, each after those that it names. */
  with(added: readonly PlannedCompensation[]): Compensations {
    const units = [...this.#units];
    const missing = [...this.#missing];
    const indexOf = new Map(this.#plan.indexOf);
    const blocks = this.#plan.blocks.map((after) => [...after]);
    let due = this.#due;
    for (const { unit, after } of added) {
      if (indexOf.has(unit)) continue;
      const index = units.length;
      const before = after.flatMap((key) => indexOf.get(key) ?? []);
      for (const other of before) blocks[other]?.push(index);
      const waitsFor = before.filter((other) => !this.#isOutOfTheWay(units[other] as UnitCompensation)).length;
      indexOf.set(unit, index);
      blocks.push([]);
      units.push({ unit, after, status: 'pending', handedOverTo: undefined, state: IDLE });
      missing.push(waitsFor);
      if (waitsFor === 0) due = due.added(index);
    }
    const plan = { ...this.#plan, indexOf, blocks };
    return new Compensations(
      plan,
      PersistentVector.from(units.length, (at) => units[at] as UnitCompensation),
      PersistentVector.from(missing.length, (at) => missing[at] as number),
      due,
      this.#closed,
    );
  }

  /** With one of them changed; the same object when it is not among them. */
  changed(unit: string, change: (before: UnitCompensation) => UnitCompensation): Compensations {
    const index = this.#plan.indexOf.get(unit);
    if (index === undefined) return this;
    const before = this.#units.get(index);
    const after = change(before);
    const units = this.#units.with(index, after);
    let [missing, due] = [this.#missing, this.#due];
    const freed = Number(this.#isOutOfTheWay(after)) - Number(this.#isOutOfTheWay(before));
    for (const other of freed === 0 ? [] : (this.#plan.blocks[index] ?? [])) {
      missing = missing.with(other, missing.get(other) - freed);
      if (missing.get(other) === 0 && units.get(other).status === 'pending') due = due.added(other);
    }
    while (due.head !== undefined && (units.get(due.head).status !== 'pending' || missing.get(due.head) > 0))
      due = due.rest();
    return new Compensations(
      this.#plan,
      units,
      missing,
      due,
      this.#closed + Number(isClosed(after)) - Number(isClosed(before)),
    );
  }

  #isOutOfTheWay(compensation: UnitCompensation): boolean {
    return isClosed(compensation) || (this.#plan.goesOn && compensation.status === 'parked');
  }
}
