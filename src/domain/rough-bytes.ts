/** What a value counts for besides its characters. */
const VALUE_BYTES = 16;

const membersOf = (value: object): readonly unknown[] => (Array.isArray(value) ? value : Object.values(value));

const keyBytes = (value: object): number => {
  let bytes = 0;
  if (!Array.isArray(value)) for (const key of Object.keys(value)) bytes += key.length;
  return bytes;
};

/**
 * Rough size of a value: the characters of its strings and keys, and 16 bytes for each value in it. Cheap enough to bound a cache or a batch
 * by; `byteLengthOf` measures exactly.
 *
 * @param sample members of a list or object that are measured, a quarter of that one level deeper; the others count as these do on average
 */
export const roughBytes = (value: unknown, sample: number = Number.POSITIVE_INFINITY): number => {
  if (typeof value === 'string') return VALUE_BYTES + value.length;
  if (value === null || typeof value !== 'object') return VALUE_BYTES;
  const members = membersOf(value);
  const measured = Math.min(members.length, sample);
  let bytes = 0;
  for (let at = 0; at < measured; at += 1) bytes += roughBytes(members[at], Math.max(1, Math.floor(sample / 4)));
  const all = measured === members.length ? bytes : Math.ceil((bytes / measured) * members.length);
  return VALUE_BYTES + keyBytes(value) + all;
};
