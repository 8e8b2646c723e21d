import { pointerOf } from '../../domain/json-pointer.ts';
import { EdgeError } from '../errors.ts';

/** A payload may be 64 levels deep (domain/json.ts); at most these are around it: body, variables, input, tasks, item. */
export const MAX_BODY_DEPTH = 64 + 6;

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
/** Numbers of fewer characters without an exponent are exact. */
const EXACT_NUMBER_LENGTH = 16;

const WHITESPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;
/** A string with one of these needs a closer look: escapes, control characters, surrogates. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is its purpose
const REMARKABLE = /[\\\u0000-\u001f\ud800-\udfff]/;

/** An object or array that is open. `keys` is undefined for an array. */
type Frame = { readonly keys: Set<string> | undefined; member: string | number };

/** What may come next. */
type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | 'end of member';

/**
 * Checks a JSON text before it is parsed. One pass, iterative, so that depth cannot overflow the stack.
 *
 * Errors: `EdgeError` `MALFORMED_JSON` with the offset; `TOO_DEEP`, `DUPLICATE_KEY`, `FORBIDDEN_KEY`, `INVALID_CHARACTER`,
 * `INVALID_UNICODE`, `NUMBER_OUT_OF_RANGE`, `UNSAFE_INTEGER` with the JSON pointer.
 */
export const scanJson = (text: string, maxDepth = MAX_BODY_DEPTH): void => new Scanner(text, maxDepth).scan();

class Scanner {
  readonly #text: string;
  readonly #maxDepth: number;
  readonly #frames: Frame[] = [];
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  scan(): void {
    this.#match(WHITESPACE);
    let expected = this.#value('value');
    while (this.#frames.length > 0) {
      this.#match(WHITESPACE);
      expected = this.#step(expected);
      this.#match(WHITESPACE);
    }
    this.#match(WHITESPACE);
    if (this.#at < this.#text.length) throw this.#malformed();
  }

  #step(expected: Expected): Expected {
    switch (expected) {
      case 'value':
      case 'value or ]':
        return this.#value(expected);
      case 'key':
      case 'key or }':
        return this.#key(expected);
      case 'end of member':
        return this.#endOfMember();
    }
  }

  #value(expected: 'value' | 'value or ]'): Expected {
    const first = this.#text[this.#at];
    if (first === '{') return this.#open({ keys: new Set(), member: '' }, 'key or }');
    if (first === '[') return this.#open({ keys: undefined, member: 0 }, 'value or ]');
    if (first === ']' && expected === 'value or ]') return this.#close();
    if (first === '"') this.#string();
    else if (first === 't' || first === 'f' || first === 'n') this.#required(LITERAL);
    else this.#number();
    return 'end of member';
  }

  #key(expected: 'key' | 'key or }'): Expected {
    if (this.#text[this.#at] === '}' && expected === 'key or }') return this.#close();
    if (this.#text[this.#at] !== '"') throw this.#malformed();
    const frame = this.#frames.at(-1) as Frame & { keys: Set<string> };
    const key = this.#string('key');
    frame.member = key;
    if (FORBIDDEN_KEYS.has(key)) throw this.#refused('FORBIDDEN_KEY', `the key ${JSON.stringify(key)} is not allowed`);
    if (frame.keys.has(key)) throw this.#refused('DUPLICATE_KEY', `the key ${JSON.stringify(key)} appears twice`);
    frame.keys.add(key);
    this.#match(WHITESPACE);
    if (this.#text[this.#at] !== ':') throw this.#malformed();
    this.#at += 1;
    return 'value';
  }

  #endOfMember(): Expected {
    const frame = this.#frames.at(-1) as Frame;
    const next = this.#text[this.#at];
    if (next === (frame.keys ? '}' : ']')) return this.#close();
    if (next !== ',') throw this.#malformed();
    this.#at += 1;
    if (frame.keys) return 'key';
    frame.member = (frame.member as number) + 1;
    return 'value';
  }

  #open(frame: Frame, next: Expected): Expected {
    if (this.#frames.length >= this.#maxDepth) throw this.#refused('TOO_DEEP', `more than ${this.#maxDepth} levels`);
    this.#frames.push(frame);
    this.#at += 1;
    return next;
  }

  #close(): Expected {
    this.#frames.pop();
    this.#at += 1;
    return 'end of member';
  }

  #string(use: 'key' | 'value' = 'value'): string {
    const start = this.#at;
    let end = this.#text.indexOf('"', start + 1);
    if (end === -1) throw this.#malformed(this.#text.length);
    const plain = this.#text.slice(start + 1, end);
    this.#at = end + 1;
    if (!REMARKABLE.test(plain)) return plain;
    end = this.#endOfString(start);
    this.#at = end;
    return this.#decoded(start, end, use);
  }

  /** Index after the closing quote. */
  #endOfString(start: number): number {
    for (let at = start + 1; at < this.#text.length; at += 1) {
      const char = this.#text[at];
      if (char === '"') return at + 1;
      if (char === '\\') at += 1;
    }
    throw this.#malformed(this.#text.length);
  }

  #decoded(start: number, end: number, use: 'key' | 'value'): string {
    let value: string;
    try {
      value = JSON.parse(this.#text.slice(start, end)) as string;
    } catch {
      throw this.#malformed(start); // a bad escape or a raw control character; report the place of the token
    }
    const where = use === 'key' ? 'a key' : 'the string';
    if (value.includes('\u0000')) throw this.#refused('INVALID_CHARACTER', `${where} contains U+0000`);
    if (!value.isWellFormed()) throw this.#refused('INVALID_UNICODE', `${where} contains a lone surrogate`);
    return value;
  }

  #number(): void {
    const token = this.#required(NUMBER);
    if (token.length < EXACT_NUMBER_LENGTH && !/[eE]/.test(token)) return;
    const value = Number(token);
    const shown = token.length > 40 ? `${token.slice(0, 37)}…` : token;
    if (!Number.isFinite(value)) throw this.#refused('NUMBER_OUT_OF_RANGE', `${shown} is not a finite double`);
    if (Number.isInteger(value) && !Number.isSafeInteger(value))
      throw this.#refused(
        'UNSAFE_INTEGER',
        `${shown} is beyond ±${Number.MAX_SAFE_INTEGER} and would lose digits; send a string`,
      );
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #required(pattern: RegExp): string {
    const found = this.#match(pattern);
    if (found === '') throw this.#malformed();
    return found;
  }

  #pointer(): string {
    return pointerOf(this.#frames.map(({ member }) => member));
  }

  #malformed(offset = this.#at): EdgeError {
    return new EdgeError('MALFORMED_JSON', `the body is not JSON: unexpected input at offset ${offset}`, { offset });
  }

  #refused(code: ConstructorParameters<typeof EdgeError>[0], fact: string): EdgeError {
    const pointer = this.#pointer();
    return new EdgeError(code, `${fact} (at ${pointer || '/'})`, { pointer });
  }
}
