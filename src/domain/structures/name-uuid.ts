import { parse, v5 } from 'uuid';

/*
 * Version 5 UUIDs (RFC 9562, §5.5) of short ASCII names. By hand because several are made per event, and the package makes a hash object
 * of the runtime for each: 3.6 µs against 1, measured alone. Whatever is not short ASCII is left to the package.
 */

const MAX_BLOCKS = 8;
/** Namespace, the mark after the name, and the length. */
const OVERHEAD_BYTES = 16 + 1 + 8;
const MAX_NAME = 64 * MAX_BLOCKS - OVERHEAD_BYTES;

// Scratch of one call; nothing here is awaited.
const message = new Int32Array(16 * MAX_BLOCKS);
const schedule = new Int32Array(80);
const digest = new Int32Array(5);
const START = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));
const at = (words: Int32Array, index: number): number => words[index] as number;

/** As four words, which is how SHA-1 reads them. */
const wordsOf = (namespace: Uint8Array): Int32Array => {
  const view = new DataView(namespace.buffer, namespace.byteOffset);
  return Int32Array.of(view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12));
};

/** Fills `message` with namespace, name and padding. Answers how many words that takes; 0 for a name that is not ASCII. */
const fill = (namespace: Int32Array, name: string): number => {
  const bytes = 16 + name.length;
  const words = 16 * (((bytes + 8) >>> 6) + 1);
  message.fill(0, 0, words);
  message.set(namespace);
  for (let index = 0; index < name.length; index += 1) {
    const code = name.charCodeAt(index);
    if (code > 0x7f) return 0;
    message[4 + (index >> 2)] = at(message, 4 + (index >> 2)) | (code << (24 - 8 * (index & 3)));
  }
  message[bytes >> 2] = at(message, bytes >> 2) | (0x80 << (24 - 8 * (bytes & 3)));
  message[words - 1] = 8 * bytes;
  return words;
};

const mix = (t: number, b: number, c: number, d: number): number => {
  if (t < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  return t < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc : (b ^ c ^ d) + 0xca62c1d6;
};

/** SHA-1 (FIPS 180-4, §6.1.2) of one block. */
const digestBlock = (start: number): void => {
  const w = schedule;
  for (let t = 0; t < 16; t += 1) w[t] = at(message, start + t);
  for (let t = 16; t < 80; t += 1) w[t] = rotate(at(w, t - 3) ^ at(w, t - 8) ^ at(w, t - 14) ^ at(w, t - 16), 1);
  let a = at(digest, 0);
  let b = at(digest, 1);
  let c = at(digest, 2);
  let d = at(digest, 3);
  let e = at(digest, 4);
  for (let t = 0; t < 80; t += 1) {
    const next = (rotate(a, 5) + mix(t, b, c, d) + e + at(w, t)) | 0;
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }
  digest[0] = at(digest, 0) + a;
  digest[1] = at(digest, 1) + b;
  digest[2] = at(digest, 2) + c;
  digest[3] = at(digest, 3) + d;
  digest[4] = at(digest, 4) + e;
};

const DIGITS = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
const codes: number[] = new Array(36).fill('-'.charCodeAt(0));

/** The lower 16 bits as four digits. */
const write = (from: number, bits: number): void => {
  for (let digit = 0; digit < 4; digit += 1) codes[from + digit] = DIGITS[(bits >>> (12 - 4 * digit)) & 0xf] as number;
};

const uuidOfDigest = (): string => {
  const second = (at(digest, 1) & 0xffff0fff) | 0x5000; // the version
  const third = (at(digest, 2) & 0x3fffffff) | 0x80000000; // the variant
  write(0, at(digest, 0) >>> 16);
  write(4, at(digest, 0));
  write(9, second >>> 16);
  write(14, second);
  write(19, third >>> 16);
  write(24, third);
  write(28, at(digest, 3) >>> 16);
  write(32, at(digest, 3));
  return String.fromCharCode(...codes);
};

/**
 * Makes version 5 UUIDs of names in one namespace.
 *
 * Errors: the returned function throws a `URIError` for a name with a lone surrogate.
 */
export const nameUuids = (namespace: string): ((name: string) => string) => {
  const bytes = parse(namespace);
  const words = wordsOf(bytes);
  return (name) => {
    const length = name.length > MAX_NAME ? 0 : fill(words, name);
    if (length === 0) return v5(name, bytes);
    digest.set(START);
    for (let start = 0; start < length; start += 16) digestBlock(start);
    return uuidOfDigest();
  };
};
