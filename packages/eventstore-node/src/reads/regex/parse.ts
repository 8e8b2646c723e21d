import { category, ignoringCase, inRanges, isDigit, isSpace, isWord, not, tabulated } from './char-tests.ts';
import { BadRegex, type CharTest, type Node } from './syntax.ts';

/** Groups may be nested this deep; deeper ones would exhaust the stack. */
const MAX_DEPTH = 200;
const MAX_REPEAT = 1_000;
const MAX_LENGTH = 10_000;

type Options = {
  readonly ignoreCase: boolean;
  readonly multiline: boolean;
  readonly singleline: boolean;
  readonly extended: boolean;
};

const NO_OPTIONS: Options = { ignoreCase: false, multiline: false, singleline: false, extended: false };
const OPTION_OF: Readonly<Record<string, keyof Options | 'explicit'>> = {
  i: 'ignoreCase',
  m: 'multiline',
  s: 'singleline',
  x: 'extended',
  n: 'explicit',
};

const NEWLINE = 10;

const CONTROL_ESCAPES: Readonly<Record<string, number>> = { a: 7, e: 27, f: 12, n: NEWLINE, r: 13, t: 9, v: 11 };
const CLASS_ESCAPES: Readonly<Record<string, CharTest>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
};
const ANCHOR_ESCAPES: Readonly<Record<string, Node>> = {
  A: { kind: 'anchor', at: 'start' },
  G: { kind: 'anchor', at: 'start' },
  Z: { kind: 'anchor', at: 'endOrFinalNewline' },
  z: { kind: 'anchor', at: 'end' },
  b: { kind: 'anchor', at: 'wordEdge' },
  B: { kind: 'anchor', at: 'noWordEdge' },
};

/**
 * Reads a regular expression in the dialect of .NET. Left out, and refused, are back-references, conditions and balancing
 * groups, which cannot be matched in bounded time, and character blocks (`\p{IsGreek}`). Throws `BadRegex`.
 */
export const parseRegex = (source: string): Node => {
  if (source.length > MAX_LENGTH) throw new BadRegex(`the expression is longer than ${MAX_LENGTH} characters`);
  const parser = new Parser(source);
  const node = parser.choice(NO_OPTIONS, 0);
  if (!parser.atEnd) throw parser.bad('too many )');
  return node;
};

class Parser {
  #at = 0;
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  get atEnd(): boolean {
    return this.#at === this.#source.length;
  }

  bad(message: string): BadRegex {
    return new BadRegex(`${message} at offset ${this.#at}`);
  }

  /** Alternatives up to the end of the group. Options set inside apply to the rest of it. */
  choice(outer: Options, depth: number): Node {
    if (depth > MAX_DEPTH) throw this.bad('groups are nested too deep');
    let options = outer;
    let nodes: Node[] = [];
    const alternatives: Node[] = [];
    for (;;) {
      this.#skipIgnored(options);
      if (this.atEnd || this.#peek() === ')') break;
      if (this.#take('|')) {
        alternatives.push({ kind: 'sequence', nodes });
        nodes = [];
        continue;
      }
      const inline = this.#inlineOptions(options);
      if (inline) options = inline;
      else nodes.push(this.#quantified(this.#atom(options, depth), options));
    }
    const last: Node = { kind: 'sequence', nodes };
    return alternatives.length === 0 ? last : { kind: 'choice', nodes: [...alternatives, last] };
  }

  /** Comments, and white space where that does not count. */
  #skipIgnored({ extended }: Options): void {
    for (;;) {
      const ignored = this.#match(/\(\?#[^)]*\)/y) ?? (extended ? this.#match(/[ \t\n\v\f\r]+|#[^\n]*/y) : undefined);
      if (!ignored) return;
    }
  }

  /** `(?i-s)`, which applies from here to the end of the group. */
  #inlineOptions(options: Options): Options | undefined {
    const match = this.#match(/\(\?([imnsx]*)(?:-([imnsx]*))?\)/y);
    return match && changed(options, match[1] ?? '', match[2] ?? '');
  }

  #quantified(atom: Node, options: Options): Node {
    this.#skipIgnored(options);
    const match = this.#match(/(?:([*+?])|\{(\d+)(,(\d*))?\})(\??)/y);
    if (!match) return atom;
    const [least, most] = bounds(match);
    if (least > most) throw this.bad('a quantifier has its bounds the wrong way round');
    if (least > MAX_REPEAT || (most > MAX_REPEAT && most !== Number.POSITIVE_INFINITY)) {
      throw this.bad(`a quantifier above ${MAX_REPEAT} is not supported`);
    }
    this.#skipIgnored(options);
    if (/^(?:[*+?]|\{\d+(?:,\d*)?\})/.test(this.#source.slice(this.#at, this.#at + 20))) {
      throw this.bad('a quantifier follows a quantifier');
    }
    return { kind: 'repeat', node: atom, least, most, lazy: match[5] === '?' };
  }

  #atom(options: Options, depth: number): Node {
    const char = this.#peek();
    if (char === '(') return this.#group(options, depth);
    if (char === '[') return charNode(this.#charClass(options));
    if (char === '\\') return this.#escape(options);
    if (/[*+?]/.test(char) || /^\{\d+(?:,\d*)?\}/.test(this.#source.slice(this.#at, this.#at + 20))) {
      throw this.bad('a quantifier follows nothing');
    }
    this.#at++;
    if (char === '^') return { kind: 'anchor', at: options.multiline ? 'lineStart' : 'start' };
    if (char === '$') return { kind: 'anchor', at: options.multiline ? 'lineEnd' : 'endOrFinalNewline' };
    if (char === '.') return charNode(options.singleline ? () => true : (code) => code !== NEWLINE);
    return literal(char.charCodeAt(0), options);
  }

  #group(options: Options, depth: number): Node {
    const look = this.#match(/\(\?(<?)([=!])/y);
    if (look) {
      const node = this.#inside(options, depth);
      return { kind: 'look', node, behind: look[1] === '<', negative: look[2] === '!' };
    }
    if (this.#match(/\(\?>/y)) return { kind: 'atomic', node: this.#inside(options, depth) };
    const scoped = this.#match(/\(\?([imnsx]*)(?:-([imnsx]*))?:/y);
    if (scoped) return this.#inside(changed(options, scoped[1] ?? '', scoped[2] ?? ''), depth);
    if (this.#match(/\(\?(?:<\w+>|'\w+')/y)) return this.#inside(options, depth);
    if (this.#match(/\(\?(?:<\w*-\w+>|'\w*-\w+')/y)) throw this.bad('a balancing group is not supported');
    if (this.#match(/\(\?\(/y)) throw this.bad('a condition is not supported');
    if (this.#match(/\(\?/y)) throw this.bad('a group of an unknown kind');
    this.#at++;
    return this.#inside(options, depth);
  }

  #inside(options: Options, depth: number): Node {
    const node = this.choice(options, depth + 1);
    if (!this.#take(')')) throw this.bad('a ) is missing');
    return node;
  }

  #escape(options: Options): Node {
    const anchor = ANCHOR_ESCAPES[this.#source[this.#at + 1] ?? ''];
    if (anchor) {
      this.#at += 2;
      return anchor;
    }
    if (this.#match(/\\(?:[1-9]|k[<'])/y)) throw this.bad('a back-reference is not supported');
    const escaped = this.#classOrCode();
    return typeof escaped === 'number' ? literal(escaped, options) : charNode(escaped);
  }

  /** An escape that means the same inside and outside of brackets: a set, or one code unit. */
  #classOrCode(): CharTest | number {
    const property = this.#match(/\\([pP])\{([^}]*)\}/y);
    if (property) {
      const test = category(property[2] as string);
      return property[1] === 'P' ? not(test) : test;
    }
    const code = this.#match(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/y);
    if (code) return Number.parseInt((code[1] ?? code[2]) as string, 16);
    const octal = this.#match(/\\(0[0-7]{0,2})/y);
    if (octal) return Number.parseInt(octal[1] as string, 8);
    const control = this.#match(/\\c([A-Za-z@[\]^_\\])/y);
    if (control) return (control[1] as string).toUpperCase().charCodeAt(0) - 64;
    return this.#simpleEscape();
  }

  #simpleEscape(): CharTest | number {
    this.#at++;
    if (this.atEnd) throw this.bad('a \\ ends the expression');
    const char = this.#peek();
    this.#at++;
    const known = CLASS_ESCAPES[char] ?? CONTROL_ESCAPES[char];
    if (known !== undefined) return known;
    if (/[0-9A-Za-z_]/.test(char)) throw this.bad(`\\${char} is not an escape`);
    return char.charCodeAt(0);
  }

  /** `[…]`, also negated, and `[…-[…]]`, which takes the inner set away. */
  #charClass(options: Options, depth = 0): CharTest {
    if (depth > MAX_DEPTH) throw this.bad('sets are nested too deep');
    this.#at++;
    const negated = this.#take('^');
    const ranges: [number, number][] = [];
    const tests: CharTest[] = [];
    let without: CharTest | undefined;
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      if (this.atEnd) throw this.bad('a ] is missing');
      if (!first && this.#match(/-(?=\[)/y)) {
        without = this.#charClass(options, depth + 1);
        if (this.#peek() !== ']') throw this.bad('what is taken away from a set must stand at its end');
        break;
      }
      const member = this.#classMember();
      if (typeof member === 'number') ranges.push(this.#range(member));
      else tests.push(member);
    }
    this.#at++;
    const included: CharTest = anyOf([inRanges(ranges), ...tests]);
    const cased = options.ignoreCase ? ignoringCase(included) : included;
    const own = negated ? not(cased) : cased;
    const taken = without;
    return tabulated(taken ? (code) => own(code) && !taken(code) : own);
  }

  #range(first: number): [number, number] {
    if (!this.#match(/-(?=[^\][])/y)) return [first, first];
    const last = this.#classMember();
    if (typeof last !== 'number') throw this.bad('a range ends in a set');
    if (last < first) throw this.bad('a range is in reverse order');
    return [first, last];
  }

  #classMember(): CharTest | number {
    if (this.#match(/\\b/y)) return 8;
    if (this.#peek() === '\\') return this.#classOrCode();
    const code = this.#source.charCodeAt(this.#at);
    this.#at++;
    return code;
  }

  #peek(): string {
    return this.#source[this.#at] ?? '';
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at++;
    return true;
  }

  #match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#at;
    const match = expression.exec(this.#source) ?? undefined;
    if (match) this.#at += match[0].length;
    return match;
  }
}

const changed = (options: Options, on: string, off: string): Options => {
  const next = { ...options };
  for (const [letters, value] of [
    [on, true],
    [off, false],
  ] as const) {
    for (const letter of letters) {
      const option = OPTION_OF[letter] as keyof Options | 'explicit';
      if (option !== 'explicit') next[option] = value;
    }
  }
  return next;
};

const bounds = (match: RegExpExecArray): [least: number, most: number] => {
  if (match[1] === '*') return [0, Number.POSITIVE_INFINITY];
  if (match[1] === '+') return [1, Number.POSITIVE_INFINITY];
  if (match[1] === '?') return [0, 1];
  const least = Number(match[2]);
  if (match[3] === undefined) return [least, least];
  return [least, match[4] ? Number(match[4]) : Number.POSITIVE_INFINITY];
};

const literal = (code: number, { ignoreCase }: Options): Node => {
  const same: CharTest = (other) => other === code;
  return charNode(ignoreCase ? sameLetter(code) : same);
};

/** Case is compared in both directions: only the pattern's letter may have another case. */
const sameLetter = (code: number): CharTest => {
  const letter = String.fromCharCode(code);
  const forms = new Set([letter, letter.toLowerCase(), letter.toUpperCase()]);
  return tabulated(ignoringCase((other) => forms.has(String.fromCharCode(other))));
};

const charNode = (test: CharTest): Node => ({ kind: 'char', test });

const anyOf =
  (tests: readonly CharTest[]): CharTest =>
  (code) =>
    tests.some((test) => test(code));
