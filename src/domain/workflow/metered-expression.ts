import type { ASTNode } from '@marcbachmann/cel-js';
import { MAX_BUILT_DEPTH } from '../json.ts';
import { type Budget, ERROR_STEPS } from './budget.ts';

/** Characters that are compared, searched or copied in about the time of one step. */
const CHARACTERS_PER_STEP = 32;
/** Times that one character of a text is compared in a step, when another text is looked for in it. */
const COMPARISONS_PER_STEP = 256;
const PLACE_BYTES = 8;
/** Of finding the time in another time zone. */
const TIME_ZONE_STEPS = 4_000;
/** Of listing one key of a map with many. */
const LISTED_KEY_STEPS = 8;
/** Of a key that an expression makes: objects with the same keys share what describes them, and such a one may have keys of its own. */
const MADE_KEY_STEPS = 40;
/** How far the type of a value is looked into: the library keeps every type that it has seen. */
const TYPE_DEPTH = 3;

/** The library's evaluator, as far as it is used here. */
type Evaluator = {
  run(node: Node, context: unknown): unknown;
  debugType(value: unknown): { readonly kind: string };
  debugTypeDeep(value: unknown): unknown;
  readonly registry: { getListType(type: unknown): unknown; getMapType(key: unknown, value: unknown): unknown };
};
type Evaluate = (evaluator: Evaluator, node: unknown, context: unknown) => unknown;
type Macro = { readonly evaluate: Evaluate };
/** A part of a checked expression: how it is evaluated is decided when it is checked. */
type Node = {
  readonly op: string;
  readonly args: unknown;
  readonly meta: { readonly evaluate: Evaluate; readonly alternate?: Node; readonly macro?: Macro };
  evaluate: Evaluate;
  handle?: (...values: unknown[]) => unknown;
};
/** `list.map(x, …)` and the like. */
type Comprehension = { condition?: ((value: unknown) => unknown) | undefined };

const isNode = (value: object): value is Node => 'op' in value && 'args' in value && 'meta' in value;

/** Every part of the expression, including those that its macros expand to. */
const nodesOf = (root: Node): ReadonlySet<Node> => {
  const nodes = new Set<Node>();
  const seen = new Set<object>();
  const open: unknown[] = [root];
  while (open.length > 0) {
    const value = open.pop();
    if (value === null || typeof value !== 'object' || seen.has(value)) continue;
    seen.add(value);
    if (isNode(value)) {
      nodes.add(value);
      open.push(value.args, value.meta.alternate, value.meta.macro);
    } else if (Array.isArray(value)) open.push(...value);
    else if (Object.getPrototypeOf(value) === Object.prototype) open.push(...Object.values(value));
  }
  return nodes;
};

const takeCharacters = (budget: Budget, count: number): void =>
  budget.takeSteps(Math.ceil(count / CHARACTERS_PER_STEP));

/** Goes through two values as `==` does, and takes what that costs. */
const takeComparison = (budget: Budget, left: unknown, right: unknown, depth = 0): void => {
  budget.takeSteps(1);
  if (left === right && typeof left !== 'string') return;
  if (typeof left === 'string') {
    if (typeof right === 'string' && left.length === right.length) takeCharacters(budget, left.length);
    return;
  }
  if (left === null || right === null || typeof left !== 'object' || typeof right !== 'object') return;
  if (depth >= MAX_BUILT_DEPTH) throw new Error(`values of more than ${MAX_BUILT_DEPTH} levels cannot be compared`);
  if (left instanceof Uint8Array) {
    takeCharacters(budget, left.length);
    return;
  }
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return;
    for (let at = 0; at < left.length; at += 1) takeComparison(budget, left[at], right[at], depth + 1);
    return;
  }
  const [members, others] = [left, right] as readonly Readonly<Record<string, unknown>>[] as [
    Readonly<Record<string, unknown>>,
    Readonly<Record<string, unknown>>,
  ];
  const keys = Object.keys(members);
  budget.takeSteps(keys.length * LISTED_KEY_STEPS);
  for (const key of keys) takeComparison(budget, members[key], others[key], depth + 1);
};

const sizeOf = (value: unknown): number => {
  if (typeof value === 'string' || Array.isArray(value) || value instanceof Uint8Array) return value.length;
  return 0;
};

/** A text that is looked for is compared at every place, in the worst case as far as it goes. */
const takeSearch = (budget: Budget, text: unknown, sought: unknown): void =>
  budget.takeSteps(Math.ceil((sizeOf(text) * Math.max(1, sizeOf(sought))) / COMPARISONS_PER_STEP));

const takeJoin = (budget: Budget, list: unknown, separator: unknown): void => {
  if (!Array.isArray(list)) return;
  budget.takeSteps(list.length);
  let characters = sizeOf(separator) * list.length;
  for (const item of list) characters += sizeOf(item);
  budget.takeBytes(characters);
};

/** Of functions that take more than going through their arguments once. */
const FUNCTIONS: Readonly<Record<string, (budget: Budget, values: readonly unknown[]) => void>> = {
  contains: (budget, [text, sought]) => takeSearch(budget, text, sought),
  indexOf: (budget, [text, sought]) => takeSearch(budget, text, sought),
  lastIndexOf: (budget, [text, sought]) => takeSearch(budget, text, sought),
  split: (budget, [text, separator]) => {
    takeSearch(budget, text, separator);
    budget.takeSteps(Math.ceil(sizeOf(text) / 4));
  },
  join: (budget, [list, separator]) => takeJoin(budget, list, separator),
  size: (budget, [value]) => {
    if (value !== null && typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array))
      budget.takeSteps(Object.keys(value).length * LISTED_KEY_STEPS);
    // The characters of a text are counted one by one.
    if (typeof value === 'string') budget.takeSteps(Math.ceil(value.length / 4));
  },
  json: (budget, [bytes]) => {
    budget.takeSteps(Math.ceil(sizeOf(bytes) / 4));
    budget.takeBytes(sizeOf(bytes));
  },
  // Its pattern tries every way to split a row of digits in three.
  duration: (budget, [text]) => budget.takeSteps(Math.ceil(sizeOf(text) ** 3 / 64)),
};

const takeCall = (budget: Budget, name: string, values: readonly unknown[]): void => {
  for (const value of values) if (typeof value === 'string') takeCharacters(budget, value.length);
  if (name.startsWith('get') && values.length > 1) budget.takeSteps(TIME_ZONE_STEPS);
  if (Object.hasOwn(FUNCTIONS, name)) FUNCTIONS[name]?.(budget, values);
};

/** What was made by an operator or a function. */
const takeResult = (budget: Budget, value: unknown): unknown => {
  if (Array.isArray(value)) {
    budget.takeSteps(Math.ceil(value.length * 1.5));
    budget.takeBytes(value.length * PLACE_BYTES);
  } else budget.takeBytes(sizeOf(value));
  return value;
};

const takeOperands = (budget: Budget, op: string, left: unknown, right: unknown): void => {
  switch (op) {
    case '==':
    case '!=':
      takeComparison(budget, left, right);
      return;
    case 'in':
      if (Array.isArray(right)) for (const item of right) takeComparison(budget, left, item);
      return;
    case '+':
      return;
    default:
      takeCharacters(budget, Math.min(sizeOf(left), sizeOf(right)));
  }
};

const BINARY = new Set(['==', '!=', 'in', '+', '-', '*', '/', '%', '<', '<=', '>', '>=']);

/** Takes the costs of operators and functions, whose operands are known by then. */
const meterHandle = (node: Node, budgetOf: () => Budget): void => {
  const { handle, op } = node;
  if (handle === undefined) return;
  if (BINARY.has(op))
    node.handle = (left, right, ...rest) => {
      takeOperands(budgetOf(), op, left, right);
      const result = handle(left, right, ...rest);
      return op === '+' ? takeResult(budgetOf(), result) : result;
    };
  if (op === 'call' || op === 'rcall') {
    const name = String((node.args as readonly unknown[])[0]);
    node.handle = (values, ...rest) => {
      takeCall(budgetOf(), name, values as readonly unknown[]);
      return takeResult(budgetOf(), handle(values, ...rest));
    };
  }
  // Of what is neither a list nor a map, a field that may be missing is found missing by an error.
  if (op === '.?' || op === '[?]')
    node.handle = (value, key, ...rest) => {
      if (value === null || typeof value !== 'object' || Array.isArray(value)) budgetOf().takeSteps(ERROR_STEPS);
      return handle(value, key, ...rest);
    };
  if (op === 'comprehension') {
    const args = node.args as Comprehension;
    const { condition } = args;
    // `all` and `exists` go on after an error.
    if (condition) args.condition = (value) => budgetOf().exceeded === undefined && condition(value);
    node.handle = (items, ...rest) => {
      if (items !== null && typeof items === 'object' && !Array.isArray(items))
        budgetOf().takeSteps(Object.keys(items).length * LISTED_KEY_STEPS);
      return handle(items, ...rest);
    };
  }
};

const keyOf = (key: unknown, budget: Budget): string => {
  if (typeof key === 'string') takeCharacters(budget, key.length);
  // `1u` is an object whose value is a bigint.
  if (key !== null && typeof key === 'object' && typeof key.valueOf() !== 'bigint')
    throw new Error('a key of a map must be a text, a whole number, or true or false');
  return String(key);
};

const NOT_KEPT = new Set(['__proto__', 'constructor', 'prototype']);

/** `{key: value}`: only what has a short name is made a key. */
const evaluateMap =
  (node: Node, budgetOf: () => Budget): Evaluate =>
  (evaluator, _, context) => {
    const map: Record<string, unknown> = {};
    for (const [keyNode, valueNode] of node.args as readonly (readonly [Node, Node])[]) {
      const key = keyOf(evaluator.run(keyNode, context), budgetOf());
      if (keyNode.op !== 'value') budgetOf().takeSteps(MADE_KEY_STEPS);
      const value = evaluator.run(valueNode, context);
      budgetOf().takeBytes(key.length + PLACE_BYTES);
      if (!NOT_KEPT.has(key)) map[key] = value;
    }
    return map;
  };

const evaluateOf = (node: Node, budgetOf: () => Budget): Evaluate => {
  const { alternate, macro, evaluate } = node.meta;
  if (alternate) return (evaluator, _, context) => alternate.evaluate(evaluator, alternate, context);
  if (macro) return (evaluator, _, context) => macro.evaluate(evaluator, macro, context);
  if (node.op === 'map') return evaluateMap(node, budgetOf);
  if (node.op === 'list' || node.op === 'accuPush')
    return (evaluator, _, context) => {
      budgetOf().takeBytes(PLACE_BYTES * (node.op === 'list' ? (node.args as readonly unknown[]).length : 1));
      return evaluate(evaluator, node, context);
    };
  return evaluate;
};

/** As the library does it, but only so deep: it keeps every type, and data could have any number of them. */
const limitTypes = (evaluator: Evaluator): void => {
  if (Object.hasOwn(evaluator, 'debugTypeDeep')) return;
  const typeOf = (value: unknown, depth: number): unknown => {
    const type = evaluator.debugType(value);
    if (depth >= TYPE_DEPTH || value === null || typeof value !== 'object') return type;
    if (type.kind === 'list') {
      const [first] = value as Iterable<unknown>;
      return first === undefined ? type : evaluator.registry.getListType(typeOf(first, depth + 1));
    }
    if (type.kind !== 'map') return type;
    for (const key in value)
      return evaluator.registry.getMapType(
        evaluator.debugType(key),
        typeOf((value as Record<string, unknown>)[key], depth + 1),
      );
    return type;
  };
  evaluator.debugTypeDeep = (value) => typeOf(value, 0);
};

/**
 * Makes every part of a checked expression count what it does: the library has limits for the text of an expression and none for its
 * evaluation.
 *
 * @param budgetOf what the evaluation under way may still take
 */
export const meterExpression = (root: ASTNode, budgetOf: () => Budget): void => {
  for (const node of nodesOf(root as unknown as Node)) {
    meterHandle(node, budgetOf);
    const evaluate = evaluateOf(node, budgetOf);
    node.evaluate = (evaluator, _, context) => {
      limitTypes(evaluator);
      budgetOf().takeSteps(1);
      try {
        return evaluate(evaluator, node, context);
      } catch (error) {
        budgetOf().takeError(error);
        throw error;
      }
    };
  }
};
