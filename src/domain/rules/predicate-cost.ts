import type { ASTNode } from '@marcbachmann/cel-js';
import { ERROR_STEPS } from '../workflow/budget.ts';

/**
 * What one evaluation may take at most, whatever the task holds, in the steps of `Budget` (0.2 µs each). All rules of a tenant are
 * evaluated with each submission.
 */
export const MAX_PREDICATE_STEPS = 5_000;

const CHARACTERS_PER_STEP = 32;
const COMPARISONS_PER_STEP = 256;

/** What a part of the expression can be at most: how long a text, how many items a list has and how long they are. */
type Bound =
  | { readonly kind: 'scalar' }
  | { readonly kind: 'text'; readonly length: number }
  | { readonly kind: 'list'; readonly count: number; readonly item: Bound }
  /** From the input: of any kind, and of a size that only the task knows. */
  | { readonly kind: 'payload' };

type Part = { readonly steps: number; readonly bound: Bound };
type Names = ReadonlyMap<string, Bound>;

const SCALAR: Bound = { kind: 'scalar' };
const PAYLOAD: Bound = { kind: 'payload' };

/** What a rule may name of a task, and the sizes that a submission allows. */
export const TASK_NAMES: Names = new Map<string, Bound>([
  ['capability', { kind: 'text', length: 128 }],
  ['pool', { kind: 'text', length: 64 }],
  ['tenant', { kind: 'text', length: 64 }],
  ['priority', SCALAR],
  ['tags', { kind: 'list', count: 20, item: { kind: 'text', length: 100 } }],
  ['input', PAYLOAD],
]);

/** An expression that is not cheap for every task. */
export class NotCheap extends Error {}

const refuse = (message: string): never => {
  throw new NotCheap(message);
};

const characters = (length: number): number => Math.ceil(length / CHARACTERS_PER_STEP);

/** Of comparing it with something else once. */
const comparisonSteps = (bound: Bound): number => {
  switch (bound.kind) {
    case 'scalar':
      return 1;
    case 'text':
      return 1 + characters(bound.length);
    case 'list':
      return 1 + bound.count * comparisonSteps(bound.item);
    case 'payload':
      return Number.POSITIVE_INFINITY;
  }
};

const largerOf = (left: Bound, right: Bound): Bound => {
  if (left.kind === 'payload' || right.kind === 'payload') return PAYLOAD;
  if (left.kind === 'list' || right.kind === 'list')
    return left.kind === right.kind && left.kind === 'list' && right.kind === 'list'
      ? { kind: 'list', count: Math.max(left.count, right.count), item: largerOf(left.item, right.item) }
      : refuse('a list in one case and something else in the other');
  if (left.kind === 'scalar') return right;
  if (right.kind === 'scalar') return left;
  return left.length >= right.length ? left : right;
};

const isFlat = ({ kind }: Bound): boolean => kind === 'scalar' || kind === 'text';

/** `==`, `<` and the like: against a field of the input, the other side bounds what is compared. */
const compared = (op: string, left: Part, right: Part): number => {
  const [a, b] = [left.bound, right.bound];
  if (a.kind === 'payload' && b.kind === 'payload')
    return refuse(`${op} between two parts of the input, which may be of any size: compare each with a value`);
  if ((a.kind === 'payload' && !isFlat(b)) || (b.kind === 'payload' && !isFlat(a)))
    return refuse(`${op} between a list and a part of the input: compare it with a text, a number, true or false`);
  return Math.min(comparisonSteps(a), comparisonSteps(b));
};

const contained = ({ bound: sought }: Part, { bound: list }: Part): number => {
  if (list.kind === 'payload')
    return refuse('in may go through tags or a list that is written out, not through a part of the input');
  if (list.kind !== 'list') return refuse('in needs a list');
  if (sought.kind === 'list' || !isFlat(list.item)) return refuse('in looks for a text, a number, true or false');
  return list.count * Math.min(comparisonSteps(sought), comparisonSteps(list.item));
};

const added = (left: Part, right: Part): Part => {
  const [a, b] = [left.bound, right.bound];
  if (a.kind === 'payload' || b.kind === 'payload')
    return refuse('+ on a part of the input, which may be a text or a list of any size');
  if (a.kind === 'list' || b.kind === 'list') return refuse('+ on lists');
  const length = (bound: Bound): number => (bound.kind === 'text' ? bound.length : 0);
  const sum = length(a) + length(b);
  return { steps: 1 + characters(sum) * 2, bound: sum === 0 ? SCALAR : { kind: 'text', length: sum } };
};

const METHODS = new Set(['startsWith', 'endsWith', 'contains', 'orValue', 'hasValue', 'all', 'exists', 'exists_one']);
const ALLOWED = `has, size, ${[...METHODS].join(', ')}`;

/** The items of `list.exists(x, …)`. */
const overItems = (list: Part, [name, body, ...others]: readonly ASTNode[], names: Names): Part => {
  if (list.bound.kind !== 'list')
    return refuse(
      'all, exists and exists_one may go through tags or a list that is written out, not through the input',
    );
  if (name?.op !== 'id' || body === undefined || others.length > 0) return refuse('as in tags.exists(tag, tag == "x")');
  const { count, item } = list.bound;
  const each = partOf(body, new Map([...names, [name.args, item]]));
  return { steps: list.steps + count * (each.steps + 8), bound: SCALAR };
};

/** The arguments of a text's own functions. */
const textual = (name: string, receiver: Part, argument: Part): number => {
  const sought = argument.bound;
  if (!isFlat(sought)) return refuse(`${name}() needs a text that is written out`);
  const length = sought.kind === 'text' ? sought.length : 1;
  if (name !== 'contains') return 1 + characters(length) * 2;
  if (receiver.bound.kind === 'payload')
    return refuse('contains() on a part of the input, which may be of any size: use startsWith, endsWith or ==');
  const within = receiver.bound.kind === 'text' ? receiver.bound.length : 1;
  return 1 + characters(within) + characters(length) + Math.ceil((within * length) / COMPARISONS_PER_STEP);
};

const methodOf = ([name, receiverNode, rest]: readonly [string, ASTNode, readonly ASTNode[]], names: Names): Part => {
  if (!METHODS.has(name)) return refuse(`${name}(): a rule may use ${ALLOWED}`);
  const receiver = partOf(receiverNode, names);
  if (name === 'all' || name === 'exists' || name === 'exists_one') return overItems(receiver, rest, names);
  const given = rest.map((node) => partOf(node, names));
  const steps = [receiver, ...given].reduce((sum, part) => sum + part.steps, 1);
  const [argument] = given;
  if (name === 'hasValue') return { steps, bound: SCALAR };
  if (name === 'orValue' && argument) return { steps, bound: largerOf(receiver.bound, argument.bound) };
  if ((name === 'startsWith' || name === 'endsWith' || name === 'contains') && argument)
    return { steps: steps + ERROR_STEPS + textual(name, receiver, argument), bound: SCALAR };
  return refuse(`${name}(): a rule may use ${ALLOWED}`);
};

const callOf = ([name, given]: readonly [string, readonly ASTNode[]], names: Names): Part => {
  if ((name !== 'has' && name !== 'size') || given.length !== 1) return refuse(`${name}(): a rule may use ${ALLOWED}`);
  const argument = partOf(given[0] as ASTNode, names);
  if (name === 'has') return { steps: argument.steps + 1, bound: SCALAR };
  if (argument.bound.kind === 'payload') return refuse('size() of a part of the input, which may be of any size');
  const length = argument.bound.kind === 'text' ? argument.bound.length : 1;
  return { steps: argument.steps + 1 + characters(length) + Math.ceil(length / 4), bound: SCALAR };
};

const literal = (value: unknown): Bound =>
  typeof value === 'string' ? { kind: 'text', length: value.length } : SCALAR;

const accessed = (op: string, [object, key]: readonly [ASTNode, ASTNode | string], names: Names): Part => {
  const whole = partOf(object, names);
  const at = typeof key === 'string' ? { steps: 0, bound: literal(key) } : partOf(key, names);
  if (!isFlat(at.bound)) return refuse(`a part of the input in ${op}: name the field as it is written`);
  // Not there, or of a kind that has no fields.
  const steps = whole.steps + at.steps + 1 + ERROR_STEPS + comparisonSteps(at.bound);
  if (whole.bound.kind === 'payload') return { steps, bound: PAYLOAD };
  if (whole.bound.kind === 'list') return { steps, bound: whole.bound.item };
  return refuse('only input has fields');
};

const listOf = (nodes: readonly ASTNode[], names: Names): Part => {
  const parts = nodes.map((node) => partOf(node, names));
  const item = parts.reduce<Bound>((bound, part) => largerOf(bound, part.bound), SCALAR);
  return {
    steps: parts.reduce((sum, part) => sum + part.steps, 1),
    bound: { kind: 'list', count: nodes.length, item },
  };
};

const binary = (op: string, nodes: readonly [ASTNode, ASTNode], names: Names): Part => {
  const [left, right] = [partOf(nodes[0], names), partOf(nodes[1], names)];
  const steps = left.steps + right.steps + 1;
  switch (op) {
    case '&&':
    case '||':
      return { steps, bound: SCALAR };
    case 'in':
      return { steps: steps + contained(left, right), bound: SCALAR };
    case '+': {
      const sum = added(left, right);
      return { steps: steps + ERROR_STEPS + sum.steps, bound: sum.bound };
    }
    case '-':
    case '*':
    case '/':
    case '%':
      return { steps: steps + ERROR_STEPS, bound: SCALAR };
    default:
      return { steps: steps + ERROR_STEPS + compared(op, left, right), bound: SCALAR };
  }
};

const choice = ([condition, yes, no]: readonly [ASTNode, ASTNode, ASTNode], names: Names): Part => {
  const [test, one, other] = [partOf(condition, names), partOf(yes, names), partOf(no, names)];
  return { steps: test.steps + one.steps + other.steps + 1, bound: largerOf(one.bound, other.bound) };
};

/** What evaluating a part takes at most. Errors: `NotCheap`. */
const partOf = (node: ASTNode, names: Names): Part => {
  switch (node.op) {
    case 'value':
      return { steps: 1, bound: literal(node.args) };
    case 'id': {
      const bound = names.get(node.args);
      return { steps: 1, bound: bound ?? refuse(`${node.args}: a rule may name ${[...TASK_NAMES.keys()].join(', ')}`) };
    }
    case '.':
    case '.?':
    case '[]':
    case '[?]':
      return accessed(node.op, node.args, names);
    case 'call':
      return callOf(node.args, names);
    case 'rcall':
      return methodOf(node.args, names);
    case 'list':
      return listOf(node.args, names);
    case 'map':
      return refuse('a map');
    case '?:':
      return choice(node.args, names);
    case '!_':
    case '-_':
      return { steps: partOf(node.args, names).steps + 1 + ERROR_STEPS, bound: SCALAR };
    default:
      return binary(node.op, node.args, names);
  }
};

/**
 * The steps that an expression takes at most, whatever the task holds; its result is one value and no list.
 *
 * Errors: `NotCheap`, with a sentence, for what has no such bound, and for a bound beyond `MAX_PREDICATE_STEPS`.
 */
export const costOf = (root: ASTNode): number => {
  const { steps } = partOf(root, TASK_NAMES);
  if (steps > MAX_PREDICATE_STEPS)
    return refuse(`may take ${steps} steps, of at most ${MAX_PREDICATE_STEPS}: let it look at less`);
  return steps;
};
