import { isWord } from './char-tests.ts';
import { parseRegex } from './parse.ts';
import { compileSearch, type Program, type Search } from './program.ts';
import type { Anchor } from './syntax.ts';

/** About 100 ms. Only look-arounds inside repetitions on very long texts get there. */
const MAX_STEPS = 10_000_000;
/** Larger memories of a match are not kept for the next. */
const KEPT_WORDS = 64 * 1024;

const NEWLINE = 10;

/** A match would take longer than other callers of the node may be kept waiting. */
export class RegexTooSlow extends Error {
  override readonly name = 'RegexTooSlow';
}

/**
 * A regular expression as .NET understands it that cannot run away: it never tries the same state at the same place twice,
 * so a match takes at most (length of the text) x (size of the expression) steps, where the engines of JavaScript and .NET
 * may take exponentially many. See docs/adr/0015.
 */
export class Regex {
  readonly #search: Search;
  readonly #scratch: Scratch[] = [];
  #steps = 0;

  /** Throws `BadRegex`. */
  constructor(source: string) {
    this.#search = compileSearch(parseRegex(source));
  }

  /** Whether it matches anywhere in the text. Throws `RegexTooSlow`. */
  test(text: string): boolean {
    const { program, anchored, first } = this.#search;
    const scratch = this.#scratchAt(0, program, text);
    this.#steps = 0;
    for (let from = 0; from <= (anchored ? 0 : text.length); from++) {
      if (first && !(from < text.length && first(text.charCodeAt(from)))) continue;
      if (this.#run(program, text, from, scratch, 0) >= 0) return true;
    }
    return false;
  }

  /** Runs inside a run have their own. */
  #scratchAt(depth: number, program: Program, text: string): Scratch {
    this.#scratch[depth] ??= new Scratch();
    return this.#scratch[depth].cleared(program.length * (text.length + 1));
  }

  #runInside(program: Program, text: string, from: number, depth: number): number {
    return this.#run(program, text, from, this.#scratchAt(depth, program, text), depth);
  }

  /** Where the first of the possible matches from `from` ends; -1 if there is none. */
  #run(program: Program, text: string, from: number, { stack, seen }: Scratch, depth: number): number {
    const width = text.length + 1;
    stack.push(0, from);
    while (stack.length > 0) {
      let at = stack.pop() as number;
      let state = stack.pop() as number;
      while (state >= 0) {
        const bit = state * width + at;
        const mask = 1 << (bit & 31);
        if (((seen[bit >>> 5] as number) & mask) !== 0) break;
        seen[bit >>> 5] = (seen[bit >>> 5] as number) | mask;
        if (++this.#steps > MAX_STEPS) throw new RegexTooSlow('the regular expression takes too long on a long name');
        const instruction = program[state] as Program[number];
        state++;
        switch (instruction.op) {
          case 'accept':
            return at;
          case 'char': {
            const index = instruction.backwards ? at - 1 : at;
            if (index < 0 || index >= text.length || !instruction.test(text.charCodeAt(index))) state = -1;
            else at = instruction.backwards ? index : index + 1;
            break;
          }
          case 'split':
            stack.push(instruction.second, at);
            state = instruction.first;
            break;
          case 'jump':
            state = instruction.to;
            break;
          case 'anchor':
            if (!holds(instruction.at, text, at)) state = -1;
            break;
          case 'look':
            if (this.#runInside(instruction.program, text, at, depth + 1) >= 0 === instruction.negative) state = -1;
            break;
          case 'atomic':
            at = this.#runInside(instruction.program, text, at, depth + 1);
            if (at < 0) state = -1;
            break;
        }
      }
    }
    return -1;
  }
}

/** What a run, or several from different places, need while they last. */
class Scratch {
  readonly stack: number[] = [];
  seen = new Int32Array(64);

  cleared(bits: number): this {
    const words = (bits >>> 5) + 1;
    this.stack.length = 0;
    if (words > this.seen.length || this.seen.length > KEPT_WORDS) this.seen = new Int32Array(words);
    else this.seen.fill(0, 0, words);
    return this;
  }
}

const holds = (anchor: Anchor, text: string, at: number): boolean => {
  switch (anchor) {
    case 'start':
      return at === 0;
    case 'end':
      return at === text.length;
    case 'endOrFinalNewline':
      return at === text.length || (at === text.length - 1 && text.charCodeAt(at) === NEWLINE);
    case 'lineStart':
      return at === 0 || text.charCodeAt(at - 1) === NEWLINE;
    case 'lineEnd':
      return at === text.length || text.charCodeAt(at) === NEWLINE;
    case 'wordEdge':
      return isWordAt(text, at - 1) !== isWordAt(text, at);
    case 'noWordEdge':
      return isWordAt(text, at - 1) === isWordAt(text, at);
  }
};

const isWordAt = (text: string, index: number): boolean =>
  index >= 0 && index < text.length && isWord(text.charCodeAt(index));
