import { type ASTNode, Environment, type ParseResult } from '@marcbachmann/cel-js';
import { findJsonIssue, type Json, MAX_BUILT_DEPTH } from '../json.ts';
import { ok, type Result, rejected } from '../result.ts';
import { Budget } from './budget.ts';
import { meterExpression } from './metered-expression.ts';

/** Longer ones belong into an agent. */
export const MAX_EXPRESSION_LENGTH = 1_000;
/** `all`, `exists`, `filter`, `map` inside each other multiply their lists. */
const MAX_COMPREHENSION_DEPTH = 2;

/** What an expression may name. */
export type Scope = {
  /** What the execution was started with. */
  readonly input: Json;
  /** Outcomes of the tasks that the task depends on, directly or not. */
  readonly tasks: Readonly<Record<string, { readonly output: Json; readonly status: string }>>;
  readonly execution: { readonly id: string };
  /** In a task that runs for each item of a list. */
  readonly item: Json;
  readonly index: number | null;
  /** In a compensation: input and output of the task that is compensated. */
  readonly self: { readonly input: Json; readonly output: Json } | null;
};

const numbers = ['int', 'double'] as const;
const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};

/** Numbers of JSON are doubles; CEL knows no arithmetic of a double and a whole number, which `output.total + 1` is. */
const withMixedArithmetic = (environment: Environment): Environment => {
  for (const [operator, compute] of Object.entries(arithmetic))
    for (const left of numbers)
      for (const right of numbers)
        if (left !== right || operator === '%')
          try {
            environment.registerOperator(`${left} ${operator} ${right}`, (a: bigint | number, b: bigint | number) =>
              compute(Number(a), Number(b)),
            );
          } catch {
            // `int % int` is there already
          }
  return environment;
};

/** The language as Baton has it, without variables. */
export const celEnvironment = (): Environment =>
  withMixedArithmetic(
    new Environment({
      unlistedVariablesAreDyn: false,
      homogeneousAggregateLiterals: false,
      enableOptionalTypes: true,
      limits: { maxAstNodes: 500, maxDepth: 50, maxListElements: 100, maxMapEntries: 100, maxCallArguments: 16 },
    }),
  );

const environment = celEnvironment()
  .registerVariable('input', 'dyn')
  .registerVariable('tasks', 'map<string, dyn>')
  .registerVariable('execution', 'map<string, dyn>')
  .registerVariable('item', 'dyn')
  .registerVariable('index', 'dyn')
  .registerVariable('self', 'dyn');

/** A checked expression of the Common Expression Language. */
export type Expression = {
  readonly text: string;
  /** Ids of tasks that it names. */
  readonly taskIds: readonly string[];
  /** Names the item of a list or its place. */
  readonly usesItem: boolean;
  /**
   * Errors: `Result` with a sentence, for a missing field, a value of the wrong kind, or more work than the budget allows.
   *
   * @param budget shared by expressions that are evaluated as one
   */
  evaluate(scope: Scope, budget?: Budget): Result<Json, string>;
};

const COMPREHENSIONS = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);
/** Regular expressions of the runtime can take time exponential in the text. */
const FORBIDDEN = new Set(['matches']);

type Findings = {
  readonly taskIds: Set<string>;
  /** Identifiers, among them what it reads of the scope. */
  readonly names: Set<string>;
  problem: string | undefined;
};

const isNode = (value: unknown): value is ASTNode =>
  value !== null && typeof value === 'object' && 'op' in value && 'args' in value;

const childrenOf = (args: unknown): unknown[] => (Array.isArray(args) ? args.flat(2) : [args]);

/** The macro called, if it is one that goes through a list: `list.map(x, …)` is `['map', list, [x, …]]`. */
const comprehensionOf = ({ op, args }: ASTNode): string | undefined => {
  if (op !== 'rcall') return undefined;
  const name = String((args as unknown as readonly unknown[])[0]);
  return COMPREHENSIONS.has(name) ? name : undefined;
};

/** The literal key in `tasks.collect` or `tasks["collect"]`; undefined when it is computed. */
const taskKeyOf = ({ op, args }: ASTNode): string | undefined => {
  const [object, key] = args as unknown as [ASTNode, unknown];
  if (!isNode(object) || object.op !== 'id' || (object.args as unknown) !== 'tasks') return undefined;
  if (op === '.' || op === '.?') return typeof key === 'string' ? key : undefined;
  if (!isNode(key) || key.op !== 'value') return undefined;
  return typeof key.args === 'string' ? key.args : undefined;
};

const ACCESS = new Set(['.', '.?', '[]', '[?]']);

const problemOf = (node: ASTNode, depth: number, named: boolean): string | undefined => {
  if (node.op === 'id' && (node.args as unknown) === 'tasks' && !named)
    return 'tasks must be followed by the id of a task, as in tasks.collect or tasks["collect"]';
  if (node.op !== 'call' && node.op !== 'rcall') return undefined;
  const name = String((node.args as unknown as readonly unknown[])[0]);
  if (FORBIDDEN.has(name)) return `${name}() is not allowed: regular expressions may take for ever`;
  return depth > MAX_COMPREHENSION_DEPTH
    ? `at most ${MAX_COMPREHENSION_DEPTH} of ${[...COMPREHENSIONS].join(', ')} inside each other`
    : undefined;
};

/** Iterative over the tree, which the parser has bounded. `depth` counts the comprehensions that a node is evaluated in. */
const examine = (root: ASTNode): Findings => {
  const findings: Findings = { taskIds: new Set(), names: new Set(), problem: undefined };
  const open: { readonly node: ASTNode; readonly depth: number; readonly named: boolean }[] = [
    { node: root, depth: 0, named: false },
  ];
  for (let frame = open.pop(); frame; frame = open.pop()) {
    const { node, named } = frame;
    const key = ACCESS.has(node.op) ? taskKeyOf(node) : undefined;
    if (key !== undefined) findings.taskIds.add(key);
    if (node.op === 'id') findings.names.add(node.args as unknown as string);
    const comprehension = comprehensionOf(node);
    const depth = frame.depth + (comprehension === undefined ? 0 : 1);
    findings.problem ??= problemOf(node, depth, named);
    // The list that a comprehension goes through is evaluated before it: `a.filter(…).map(…)` are two in a row, not one in the other.
    const list = comprehension === undefined ? undefined : (node.args as unknown as readonly unknown[])[1];
    for (const child of childrenOf(node.args))
      if (isNode(child))
        open.push({ node: child, depth: child === list ? frame.depth : depth, named: key !== undefined });
  }
  return findings;
};

class NotJson extends Error {}

/** CEL's whole numbers are bigints, its values of time are objects; JSON knows neither. One list may be in the value many times. */
const toJson = (value: unknown, budget: Budget, depth = 0): unknown => {
  budget.takeSteps(1);
  switch (typeof value) {
    case 'bigint':
      return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value.toString();
    case 'string':
      budget.takeBytes(value.length);
      return value;
    case 'object':
      break;
    default:
      return value;
  }
  if (value === null) return null;
  if (value instanceof Date) return value.toISOString();
  const isList = Array.isArray(value);
  if (!isList && Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null)
    throw new NotJson(
      `a ${value.constructor.name} is not a JSON value: convert it, for example with string() or int()`,
    );
  if (depth >= MAX_BUILT_DEPTH) throw new NotJson(`TOO_DEEP: more than ${MAX_BUILT_DEPTH} levels`);
  if (isList) return value.map((item) => toJson(item, budget, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      budget.takeBytes(key.length);
      return [key, toJson(member, budget, depth + 1)];
    }),
  );
};

/** What is wrong, for people: the library draws the place in the text below it. */
export const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]?.slice(0, 300) ?? 'unusable';

const run = (parsed: ParseResult, scope: Scope, budget: Budget): Result<Json, string> => {
  try {
    const value = toJson(parsed(scope as never), budget);
    // CEL's `&&`, `||`, `all` and `exists` can do without the result of a part that failed.
    if (budget.exceeded) return rejected(budget.exceeded.message);
    const issue = findJsonIssue(value, MAX_BUILT_DEPTH);
    return issue ? rejected(`${issue.code}: ${issue.message}`) : ok(value as Json);
  } catch (error) {
    return rejected(firstLine(budget.exceeded ?? error));
  }
};

/** Errors: `Result` with a sentence about what is wrong with the text. */
export const parseExpression = (text: string): Result<Expression, string> => {
  if (text.length > MAX_EXPRESSION_LENGTH)
    return rejected(`at most ${MAX_EXPRESSION_LENGTH} characters, got ${text.length}`);
  try {
    const parsed = environment.parse(text);
    const { taskIds, names, problem } = examine(parsed.ast);
    if (problem !== undefined) return rejected(problem);
    const checked = parsed.check();
    if (!checked.valid) return rejected(firstLine(checked.error));
    let current = new Budget();
    meterExpression(parsed.ast, () => current);
    return ok({
      text,
      taskIds: [...taskIds],
      usesItem: names.has('item') || names.has('index'),
      evaluate: (scope, budget = new Budget()) => {
        current = budget;
        return run(parsed, scope, budget);
      },
    });
  } catch (error) {
    return rejected(firstLine(error));
  }
};
