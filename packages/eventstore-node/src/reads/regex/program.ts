import { tabulated } from './char-tests.ts';
import { type Anchor, BadRegex, type CharTest, type Node } from './syntax.ts';

/** What a matcher does in a state. By default it continues with the next. */
export type Instruction =
  | { readonly op: 'char'; readonly test: CharTest; readonly backwards: boolean }
  | { readonly op: 'anchor'; readonly at: Anchor }
  /** Tries `first`, then `second`. */
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'look'; readonly program: Program; readonly negative: boolean }
  | { readonly op: 'atomic'; readonly program: Program }
  | { readonly op: 'accept' };

export type Program = readonly Instruction[];

/** Memory and time of a match grow with this times the length of the text. */
const MAX_INSTRUCTIONS = 5_000;

/** How to find an expression anywhere in a text. */
export type Search = {
  readonly program: Program;
  /** It can match only from the start of the text. */
  readonly anchored: boolean;
  /** It can match only where such a character is next. */
  readonly first: CharTest | undefined;
};

/** Throws `BadRegex` if the program would be too large. */
export const compileSearch = (node: Node): Search => {
  const needed = withoutOptionalTail(node);
  const program = new Compiler({ left: MAX_INSTRUCTIONS }).program(needed, false);
  const first = firstOf(needed);
  return { program, anchored: startsAtStart(needed), first: first && tabulated(first) };
};

/** What may be missing at the end decides nothing, as the `.*` in `^[^$].*`. */
const withoutOptionalTail = (node: Node): Node => {
  if (node.kind !== 'sequence') return node;
  const needed = node.nodes.findLastIndex((child) => child.kind !== 'repeat' || child.least > 0);
  return { kind: 'sequence', nodes: node.nodes.slice(0, needed + 1) };
};

const startsAtStart = (node: Node): boolean => {
  if (node.kind === 'sequence') return node.nodes[0] !== undefined && startsAtStart(node.nodes[0]);
  return node.kind === 'anchor' && node.at === 'start';
};

/** What the first character of a match must be; undefined if that is not known, or the match may be empty. */
const firstOf = (node: Node): CharTest | undefined => {
  switch (node.kind) {
    case 'char':
      return node.test;
    case 'sequence':
      return firstOfSequence(node.nodes);
    case 'choice': {
      const tests = node.nodes.map(firstOf);
      return tests.includes(undefined) ? undefined : (code) => tests.some((test) => test?.(code));
    }
    case 'repeat':
      return node.least > 0 ? firstOf(node.node) : undefined;
    case 'atomic':
      return firstOf(node.node);
    case 'anchor':
    case 'look':
      return undefined;
  }
};

const firstOfSequence = (nodes: readonly Node[]): CharTest | undefined => {
  const consuming = nodes.find(({ kind }) => kind !== 'anchor' && kind !== 'look');
  return consuming && firstOf(consuming);
};

class Compiler {
  readonly #instructions: Instruction[] = [];
  readonly #room: { left: number };

  constructor(room: { left: number }) {
    this.#room = room;
  }

  program(node: Node, backwards: boolean): Program {
    this.#compile(node, backwards);
    this.#emit({ op: 'accept' });
    return this.#instructions;
  }

  #repeat(node: Node, least: number, most: number, lazy: boolean, backwards: boolean): void {
    for (let i = 0; i < least; i++) this.#compile(node, backwards);
    if (most === Number.POSITIVE_INFINITY) this.#loop(node, lazy, backwards);
    else this.#optional(node, most - least, lazy, backwards);
  }

  #compile(node: Node, backwards: boolean): void {
    switch (node.kind) {
      case 'char':
        this.#emit({ op: 'char', test: node.test, backwards });
        break;
      case 'anchor':
        this.#emit({ op: 'anchor', at: node.at });
        break;
      case 'sequence':
        for (const child of backwards ? node.nodes.toReversed() : node.nodes) this.#compile(child, backwards);
        break;
      case 'choice':
        this.#choice(node.nodes, backwards);
        break;
      case 'repeat':
        this.#repeat(node.node, node.least, node.most, node.lazy, backwards);
        break;
      case 'look':
        this.#emit({ op: 'look', program: this.#inner(node.node, node.behind), negative: node.negative });
        break;
      case 'atomic':
        this.#emit({ op: 'atomic', program: this.#inner(node.node, backwards) });
        break;
    }
  }

  #inner(node: Node, backwards: boolean): Program {
    return new Compiler(this.#room).program(node, backwards);
  }

  #choice(nodes: readonly Node[], backwards: boolean): void {
    const jumps: { to: number }[] = [];
    for (const [i, node] of nodes.entries()) {
      const split = i < nodes.length - 1 ? this.#split() : undefined;
      if (split) split.first = this.#here;
      this.#compile(node, backwards);
      if (!split) break;
      jumps.push(this.#jump());
      split.second = this.#here;
    }
    for (const jump of jumps) jump.to = this.#here;
  }

  #loop(node: Node, lazy: boolean, backwards: boolean): void {
    const again = this.#here;
    const split = this.#split();
    const body = this.#here;
    this.#compile(node, backwards);
    this.#jump().to = again;
    aim(split, body, this.#here, lazy);
  }

  #optional(node: Node, times: number, lazy: boolean, backwards: boolean): void {
    const splits: { split: Split; body: number }[] = [];
    for (let i = 0; i < times; i++) {
      const split = this.#split();
      splits.push({ split, body: this.#here });
      this.#compile(node, backwards);
    }
    for (const { split, body } of splits) aim(split, body, this.#here, lazy);
  }

  #split(): Split {
    return this.#emit({ op: 'split', first: 0, second: 0 } as Split);
  }

  #jump(): { to: number } {
    return this.#emit({ op: 'jump', to: 0 } as Instruction & { op: 'jump' });
  }

  get #here(): number {
    return this.#instructions.length;
  }

  #emit<I extends Instruction>(instruction: I): I {
    if (this.#room.left-- === 0) throw new BadRegex('the expression is too large');
    this.#instructions.push(instruction);
    return instruction;
  }
}

type Split = Extract<Instruction, { op: 'split' }>;

const aim = (split: Split, body: number, after: number, lazy: boolean): void => {
  split.first = lazy ? after : body;
  split.second = lazy ? body : after;
};
