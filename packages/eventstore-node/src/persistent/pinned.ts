import { crc32 } from 'node:zlib';
import type { ConsumerStrategy } from './consumer-strategy.ts';
import { type Consumer, hasRoom, type Message } from './message.ts';

const BUCKETS = 1024;

/** The bucket of everything that has this key. Names that differ in one digit must not end up with one consumer. */
export const bucketOf = (key: string): number => mixed(crc32(Buffer.from(key, 'utf8'))) % BUCKETS;

/** Spreads every bit over all others (the last step of MurmurHash3): those of a checksum of similar texts are alike. */
const mixed = (hash: number): number => {
  let bits = hash;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
};

/** Each consumer owns its share of the buckets; a message goes to the owner of its bucket or waits for it. */
export class PinnedStrategy implements ConsumerStrategy {
  readonly inOrder = false;
  readonly #owners: (Consumer | undefined)[] = new Array(BUCKETS).fill(undefined);

  /** Redistributes the buckets and moves as few as possible. */
  arrange(consumers: readonly Consumer[]): void {
    const missing = this.#release(consumers);
    let receiver = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (this.#owners[bucket]) continue;
      while (receiver < consumers.length && missing[receiver] === 0) receiver++;
      if (receiver === consumers.length) return;
      this.#owners[bucket] = consumers[receiver];
      missing[receiver] = (missing[receiver] as number) - 1;
    }
  }

  choose({ bucket }: Message): Consumer | undefined {
    const owner = this.#owners[bucket];
    return owner && hasRoom(owner) ? owner : undefined;
  }

  /** Frees the buckets of those who left and what others have beyond their share; returns how many each then lacks. */
  #release(consumers: readonly Consumer[]): number[] {
    const missing = consumers.map((_, i) => share(i, consumers.length));
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const owner = this.#owners[bucket];
      const at = owner ? consumers.indexOf(owner) : -1;
      if (at < 0 || missing[at] === 0) this.#owners[bucket] = undefined;
      else missing[at] = (missing[at] as number) - 1;
    }
    return missing;
  }
}

const share = (index: number, consumers: number): number =>
  Math.floor(BUCKETS / consumers) + (index < BUCKETS % consumers ? 1 : 0);
