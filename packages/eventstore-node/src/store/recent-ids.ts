import type { StreamId } from '../index/event-index.ts';

/** Two generations of this many ids are remembered, in 4 MB. */
const GENERATION = 32_768;

/** Remembers which event ids were written where not long ago. Starts empty; the older half is forgotten at a time. */
export class RecentIds {
  #young: Generation;
  #old: Generation;
  readonly #generation: number;

  constructor(generation = GENERATION) {
    this.#generation = generation;
    this.#young = new Generation(generation);
    this.#old = new Generation(generation);
  }

  /** `id` is a UUID, lower-case and hyphenated. */
  remember(stream: StreamId, id: string, revision: number): void {
    if (this.#young.size >= this.#generation) {
      [this.#young, this.#old] = [this.#old, this.#young];
      this.#young.clear();
    }
    this.#young.set(stream, id, revision);
  }

  find(stream: StreamId, id: string): number | undefined {
    return this.#young.get(stream, id) ?? this.#old.get(stream, id);
  }

  forget(stream: StreamId, id: string): void {
    this.#young.delete(stream, id);
    this.#old.delete(stream, id);
  }
}

/** Words of a key: four of the id, one for the stream. */
const WORDS = 5;
const FREE = -1;
const DELETED = -2;

/**
 * A hash table in flat arrays, always less than half full: there is an entry for every event that is written, and as
 * objects of a Map they would keep the garbage collector busy.
 */
class Generation {
  readonly #mask: number;
  readonly #keys: Uint32Array;
  readonly #revisions: Float64Array;
  readonly #key = new Uint32Array(WORDS);
  size = 0;

  constructor(capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(capacity * 2));
    this.#mask = slots - 1;
    this.#keys = new Uint32Array(slots * WORDS);
    this.#revisions = new Float64Array(slots).fill(FREE);
  }

  clear(): void {
    this.#revisions.fill(FREE);
    this.size = 0;
  }

  set(stream: StreamId, id: string, revision: number): void {
    const slot = this.#slotOf(stream, id);
    if (this.#revisions[slot] === FREE) this.size++;
    this.#keys.set(this.#key, slot * WORDS);
    this.#revisions[slot] = revision;
  }

  get(stream: StreamId, id: string): number | undefined {
    const revision = this.#revisions[this.#slotOf(stream, id)] as number;
    return revision < 0 ? undefined : revision;
  }

  /** The slot stays taken, for the sake of keys that were placed after it. */
  delete(stream: StreamId, id: string): void {
    const slot = this.#slotOf(stream, id);
    if (this.#revisions[slot] !== FREE) this.#revisions[slot] = DELETED;
  }

  /** The slot with the key, or the free slot where it belongs. */
  #slotOf(stream: StreamId, id: string): number {
    const key = this.#key;
    const mask = this.#mask;
    const revisions = this.#revisions;
    readWords(id, key);
    key[4] = stream;
    let slot = hash(key) & mask;
    while (revisions[slot] !== FREE && !this.#isAt(slot)) slot = (slot + 1) & mask;
    return slot;
  }

  #isAt(slot: number): boolean {
    const key = this.#key;
    const keys = this.#keys;
    const at = slot * WORDS;
    for (let i = 0; i < WORDS; i++) if (keys[at + i] !== key[i]) return false;
    return true;
  }
}

const HYPHEN = 0x2d;
const NINE = 0x39;

/** Reads the 32 hexadecimal digits into four words. */
const readWords = (id: string, words: Uint32Array): void => {
  let word = 0;
  let digits = 0;
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    if (code === HYPHEN) continue;
    word = (word << 4) | ((code & 15) + (code > NINE ? 9 : 0));
    if ((++digits & 7) === 0) words[(digits >> 3) - 1] = word;
  }
};

/** Spreads ids that count up as well as random ones. */
const hash = (key: Uint32Array): number => {
  let value = 0;
  for (let i = 0; i < WORDS; i++) {
    value = Math.imul(value ^ (key[i] as number), 0x9e3779b1);
    value ^= value >>> 15;
  }
  return value;
};
