/** No class of priority is refused. */
export const NONE_REFUSED = 6;

/**
 * The share of the bound, in per mille, at which tasks of each priority are refused: the least urgent first, so that the last places are
 * kept for what is critical.
 */
const REFUSED_AT: readonly (readonly [priority: number, perMille: number])[] = [
  [1, 1_000],
  [2, 975],
  [3, 950],
  [4, 925],
  [5, 900],
];

/** A class is admitted again below this share of its mark: without the distance it would be refused and admitted by turns. */
const ADMITTED_AGAIN = 0.8;

/**
 * The most urgent class that is refused, from 1, or `NONE_REFUSED`; all less urgent ones are refused with it. So no class is ever refused
 * while a less urgent one is admitted.
 *
 * @param before what this was when it was last asked
 * @param waiting tasks of the pool that no agent holds
 * @param bound how many may be
 */
export const refusedFrom = (before: number, waiting: number, bound: number): number => {
  const refused = REFUSED_AT.find(([priority, perMille]) => {
    const mark = (bound * perMille) / 1_000;
    return waiting >= (before <= priority ? mark * ADMITTED_AGAIN : mark);
  });
  return refused?.[0] ?? NONE_REFUSED;
};

/** Tasks that must leave before the class is admitted again. */
export const excessOf = (priority: number, waiting: number, bound: number): number => {
  const [, perMille] = REFUSED_AT[priority - 1] as readonly [number, number];
  return Math.max(1, Math.floor(waiting - (bound * perMille * ADMITTED_AGAIN) / 1_000) + 1);
};
