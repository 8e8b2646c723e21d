import { hash32 } from '../structures/hash32.ts';

/** A part of a rule's tasks, in percent of them. */
type Share = { readonly percent: number };

const RANGE = 0x1_0000_0000;

/**
 * Which of at most two variants a key belongs to; undefined for the tasks that are left to the rule itself. The first takes keys from the
 * lower end of the hashes and the second from the upper end, so that only keys move which must when a percentage changes.
 *
 * @param salt splits of different rules have nothing to do with each other
 */
export const variantOf = <Variant extends Share>(
  [first, second]: readonly Variant[],
  salt: string,
  key: string,
): Variant | undefined => {
  const percent = (hash32(`${salt}\u001f${key}`) / RANGE) * 100;
  if (first && percent < first.percent) return first;
  if (second && percent >= 100 - second.percent) return second;
  return undefined;
};
