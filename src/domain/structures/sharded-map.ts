const SHARDS = 64;
/** Ids end in what differs between them: random or counted digits. */
const CHARACTERS = 4;
const HASH_BITS = 12;
/** Odd, with its bits spread: 2^32 divided by the golden ratio. */
const SPREAD = 0x9e3779b1;

/** The largest shard gets twice as much as the smallest, so that each is full at a moment of its own. */
const SHARD_OF = Uint8Array.from(
  { length: 2 ** HASH_BITS },
  (_, hash) => SHARDS * Math.log2(1 + hash / 2 ** HASH_BITS),
);

const shardOf = (id: string): number => {
  let hash = 0;
  for (let at = Math.max(0, id.length - CHARACTERS); at < id.length; at += 1)
    hash = Math.imul(hash ^ id.charCodeAt(at), SPREAD);
  return SHARD_OF[hash >>> (32 - HASH_BITS)] as number;
};

/**
 * A map by id for a million entries and more. A `Map` doubles its table now and then and moves every entry at once: 50 to 100 ms at half a
 * million of them, for which nothing else runs. Here that happens in 64 parts, one after the other while the map grows.
 */
export class ShardedMap<Value> {
  readonly #shards: (Map<string, Value> | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: string): Value | undefined {
    return this.#shards[shardOf(id)]?.get(id);
  }

  set(id: string, value: Value): void {
    const at = shardOf(id);
    let shard = this.#shards[at];
    if (shard === undefined) {
      shard = new Map();
      this.#shards[at] = shard;
    }
    const before = shard.size;
    shard.set(id, value);
    this.#size += shard.size - before;
  }

  delete(id: string): boolean {
    const isGone = this.#shards[shardOf(id)]?.delete(id) ?? false;
    if (isGone) this.#size -= 1;
    return isGone;
  }
}
