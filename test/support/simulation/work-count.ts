import { PoolLedger } from '../../../src/domain/pool/ledger.ts';
import { IndexedHeap } from '../../../src/domain/structures/indexed-heap.ts';

/** What the decisions of all pools of a world took, counted: a clock would say something about the machine. */
export type Work = {
  /** Times that a pool was asked to decide, and assignments that it made. */
  readonly asked: number;
  readonly assigned: number;
  /** Looks at the first of something: of a requirement, of what waits for an agent. */
  readonly looks: number;
};

const NOTHING = { asked: 0, assigned: 0, looks: 0 };
let counted: { -readonly [Key in keyof Work]: number } = { ...NOTHING };
let isDeciding = false;

const { assign } = PoolLedger.prototype;
const { peek } = IndexedHeap.prototype;

/** The product has no switch for this. */
PoolLedger.prototype.assign = function (...args) {
  isDeciding = true;
  try {
    const assignments = assign.apply(this, args);
    counted.asked += 1;
    counted.assigned += assignments.length;
    return assignments;
  } finally {
    isDeciding = false;
  }
};

IndexedHeap.prototype.peek = function () {
  if (isDeciding) counted.looks += 1;
  return peek.call(this);
};

/** Work since this was last called. Worlds run one after the other. */
export const takeWork = (): Work => {
  const taken = counted;
  counted = { ...NOTHING };
  return taken;
};
