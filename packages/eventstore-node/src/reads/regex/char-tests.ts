import { BadRegex, type CharTest } from './syntax.ts';

const ASCII = 128;

/** Remembers the answers for ASCII, which is nearly all of names and types. */
export const tabulated = (test: CharTest): CharTest => {
  const table = Uint8Array.from({ length: ASCII }, (_, code) => (test(code) ? 1 : 0));
  return (code) => (code < ASCII ? table[code] === 1 : test(code));
};

export const not =
  (test: CharTest): CharTest =>
  (code) =>
    !test(code);

/** One of these ranges, given as first and last code unit. */
export const inRanges =
  (ranges: readonly (readonly [first: number, last: number])[]): CharTest =>
  (code) =>
    ranges.some(([first, last]) => code >= first && code <= last);

/** A Unicode property as `\p{…}` of JavaScript names it. */
const property = (source: string): CharTest => {
  const expression = new RegExp(`^${source}$`, 'u');
  return tabulated((code) => expression.test(String.fromCharCode(code)));
};

export const isDigit = property('\\p{Nd}');
export const isWord = property('[\\p{L}\\p{Mn}\\p{Nd}\\p{Pc}]');
export const isSpace = property('[\\f\\n\\r\\t\\v\\x85\\p{Z}]');

const GENERAL_CATEGORY = /^(?:L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfson]?)$/;

/** `\p{name}`: general categories; the named blocks that .NET knows besides, as `IsGreek`, are not supported. */
export const category = (name: string): CharTest => {
  if (!GENERAL_CATEGORY.test(name)) throw new BadRegex(`\\p{${name}} is not supported`);
  return property(`\\p{${name}}`);
};

/** The same, upper and lower case alike. */
export const ignoringCase =
  (test: CharTest): CharTest =>
  (code) =>
    test(code) || test(inCase(code, 'toLowerCase')) || test(inCase(code, 'toUpperCase'));

/** The character in that case; itself if that is more than one code unit. */
const inCase = (code: number, convert: 'toLowerCase' | 'toUpperCase'): number => {
  const converted = String.fromCharCode(code)[convert]();
  return converted.length === 1 ? converted.charCodeAt(0) : code;
};
