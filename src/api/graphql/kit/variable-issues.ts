import type { GraphQLError, GraphQLSchema, OperationDefinitionNode } from 'graphql';
import { pointerOf } from '../../../domain/json-pointer.ts';
import { type InputIssue, MAX_ISSUES } from '../../../platform/errors.ts';
import { coerceInputValue, isInputType, isNonNullType, typeFromAST } from './graphql-js.ts';

/** Errors of GraphQL's own checks have no code, only these words. */
const MEMBER = /^Field "(?<name>\w+)" (?<what>of required type|is not defined by type)/;

const issueOf = (path: readonly (string | number)[], error: GraphQLError): InputIssue => {
  const { name, what } = MEMBER.exec(error.message)?.groups ?? {};
  if (name !== undefined) {
    const code = what === 'of required type' ? 'REQUIRED' : 'UNKNOWN_FIELD';
    return { pointer: pointerOf([...path, name]), code, message: error.message };
  }
  const { issue } = error.extensions;
  return { pointer: pointerOf(path), code: typeof issue === 'string' ? issue : 'WRONG_TYPE', message: error.message };
};

/** Ends a coercion that would look at every value of a list of mistakes. */
const ENOUGH = Symbol('enough issues');

/** What is wrong with the variables of an operation, each with its place, up to `MAX_ISSUES`. */
export const variableIssues = (
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  values: Readonly<Record<string, unknown>>,
): InputIssue[] => {
  const issues: InputIssue[] = [];
  const report = (issue: InputIssue): void => {
    issues.push(issue);
    if (issues.length >= MAX_ISSUES) throw ENOUGH;
  };
  try {
    for (const { variable, type: typeNode, defaultValue } of operation.variableDefinitions ?? []) {
      const name = variable.name.value;
      const type = typeFromAST(schema, typeNode as never);
      if (!isInputType(type)) continue;
      const value = values[name];
      if (value !== undefined)
        coerceInputValue(value, type, (path, _, error) => report(issueOf(['variables', name, ...path], error)));
      else if (isNonNullType(type) && !defaultValue)
        report({ pointer: pointerOf(['variables', name]), code: 'REQUIRED', message: `$${name} is required` });
    }
  } catch (error) {
    if (error !== ENOUGH) throw error;
  }
  return issues;
};
