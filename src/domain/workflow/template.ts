import type { Json } from '../json.ts';
import { pointerPart } from '../json-pointer.ts';
import { ok, type Result, rejected } from '../result.ts';
import { Budget } from './budget.ts';
import { type Expression, parseExpression, type Scope } from './expression.ts';

/**
 * JSON in which a string that begins with `=` is an expression: `{"total": "= tasks.calculate.output.total"}`. `==` begins a string that
 * itself begins with `=`.
 */
export type Template = {
  readonly expressions: readonly Expression[];
  /**
   * Its expressions are one evaluation, and share one budget.
   *
   * Errors: `Result` with the expression and what is wrong with it.
   */
  render(scope: Scope, budget?: Budget): Result<Json, string>;
};

export type TemplateIssue = { readonly pointer: string; readonly message: string };

const isExpression = (text: string): boolean => text.startsWith('=') && !text.startsWith('==');

/** A text that a template returns unchanged, whatever it starts with. */
export const literalText = (text: string): string => (text.startsWith('=') ? `=${text}` : text);

type Render = (scope: Scope, budget: Budget) => Json;

class ExpressionFailed extends Error {}

type Compiler = { readonly expressions: Expression[]; readonly issues: TemplateIssue[] };

/** Payloads are at most 64 levels deep, so recursion is bounded. */
const compile = (value: Json, pointer: string, compiler: Compiler): Render => {
  if (typeof value === 'string') return compileText(value, pointer, compiler);
  if (value === null || typeof value !== 'object') return () => value;
  if (Array.isArray(value)) {
    const items = value.map((item, index) => compile(item, `${pointer}${pointerPart(index)}`, compiler));
    return (scope, budget) => items.map((render) => render(scope, budget));
  }
  const members = Object.entries(value).map(
    ([key, member]) => [key, compile(member, `${pointer}${pointerPart(key)}`, compiler)] as const,
  );
  return (scope, budget) => Object.fromEntries(members.map(([key, render]) => [key, render(scope, budget)]));
};

const compileText = (text: string, pointer: string, { expressions, issues }: Compiler): Render => {
  if (!isExpression(text)) {
    const literal = text.startsWith('==') ? text.slice(1) : text;
    return () => literal;
  }
  const source = text.slice(1).trim();
  const parsed = parseExpression(source);
  if (!parsed.ok) {
    issues.push({ pointer, message: `${JSON.stringify(source)}: ${parsed.rejection}` });
    return () => null;
  }
  const expression = parsed.value;
  expressions.push(expression);
  return (scope, budget) => {
    const result = expression.evaluate(scope, budget);
    if (result.ok) return result.value;
    throw new ExpressionFailed(`${JSON.stringify(source)}: ${result.rejection}`);
  };
};

/** Errors: `Result` with every expression that cannot be parsed. */
export const parseTemplate = (value: Json): Result<Template, readonly TemplateIssue[]> => {
  const compiler: Compiler = { expressions: [], issues: [] };
  const render = compile(value, '', compiler);
  if (compiler.issues.length > 0) return rejected(compiler.issues);
  return ok({
    expressions: compiler.expressions,
    render(scope, budget = new Budget()) {
      try {
        return ok(render(scope, budget));
      } catch (error) {
        if (error instanceof ExpressionFailed) return rejected(error.message);
        throw error;
      }
    },
  });
};
