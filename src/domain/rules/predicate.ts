import type { ParseResult } from '@marcbachmann/cel-js';
import { z } from 'zod';
import type { Json } from '../json.ts';
import { ok, type Result, rejected } from '../result.ts';
import { Budget } from '../workflow/budget.ts';
import { celEnvironment, firstLine, MAX_EXPRESSION_LENGTH } from '../workflow/expression.ts';
import { meterExpression } from '../workflow/metered-expression.ts';
import { costOf } from './predicate-cost.ts';

/** What a rule may know of a task. */
export type TaskFacts = {
  readonly capability: string;
  readonly pool: string;
  readonly tenant: string;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly input: Json;
};

const environment = celEnvironment()
  .registerVariable('capability', 'string')
  .registerVariable('pool', 'string')
  .registerVariable('tenant', 'string')
  .registerVariable('priority', 'int')
  .registerVariable('tags', 'list<string>')
  .registerVariable('input', 'dyn');

/** An expression over a task that is cheap for every task. */
export type Predicate = {
  /**
   * Errors: `Result` with a sentence, for a missing field or a value of the wrong kind.
   *
   * @param budget counts what it takes
   */
  evaluate(task: TaskFacts, budget?: Budget): Result<unknown, string>;
};

const evaluate = (parsed: ParseResult, task: TaskFacts): Result<unknown, string> => {
  try {
    return ok(parsed({ ...task, priority: BigInt(task.priority) }));
  } catch (error) {
    return rejected(firstLine(error));
  }
};

/** What an expression may give, by the type that the checker finds; `dyn` is anything, as fields of the input are. */
const KINDS = {
  condition: { types: ['bool', 'dyn'], wanted: 'true or false' },
  key: { types: ['string', 'int', 'uint', 'double', 'bool', 'dyn'], wanted: 'a text or a number' },
} as const;
type Kind = keyof typeof KINDS;

/** Errors: `Result` with a sentence about what is wrong with the text. */
export const parsePredicate = (text: string, kind: Kind): Result<Predicate, string> => {
  try {
    const parsed = environment.parse(text);
    const checked = parsed.check();
    if (!checked.valid) return rejected(firstLine(checked.error));
    const { types, wanted } = KINDS[kind];
    if (!(types as readonly string[]).includes(String(checked.type)))
      return rejected(`gives ${checked.type}, not ${wanted}`);
    // The checker has put its own parts into the tree by now.
    costOf(environment.parse(text).ast);
    let current = new Budget();
    meterExpression(parsed.ast, () => current);
    return ok({
      evaluate: (task, budget = new Budget()) => {
        current = budget;
        return evaluate(parsed, task);
      },
    });
  } catch (error) {
    return rejected(firstLine(error));
  }
};

/** The text of an expression, checked. */
const expressionText = (kind: Kind) =>
  z
    .string()
    .min(1, { abort: true })
    .max(MAX_EXPRESSION_LENGTH, { abort: true })
    .superRefine((text, context) => {
      const parsed = parsePredicate(text, kind);
      if (!parsed.ok)
        context.addIssue({
          code: 'custom',
          message: `BAD_EXPRESSION: ${parsed.rejection}`,
          params: { code: 'BAD_EXPRESSION' },
        });
    });

export const ConditionText = expressionText('condition');
export const KeyText = expressionText('key');
