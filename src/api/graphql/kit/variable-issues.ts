import type { DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode } from 'graphql';
import { pointerOf } from '../../../domain/json-pointer.ts';
import type { InputIssue } from '../../../platform/errors.ts';
import { coerceInputValue, getOperationAST, isInputType, isNonNullType, typeFromAST } from './graphql-js.ts';

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

const issuesOf = (
  operation: OperationDefinitionNode,
  schema: GraphQLSchema,
  values: Record<string, unknown>,
): InputIssue[] =>
  (operation.variableDefinitions ?? []).flatMap((definition) => {
    const name = definition.variable.name.value;
    const type = typeFromAST(schema, definition.type as never);
    if (!isInputType(type)) return [];
    const value = values[name];
    if (value === undefined && !isNonNullType(type)) return [];
    if (value === undefined)
      return definition.defaultValue
        ? []
        : [{ pointer: pointerOf(['variables', name]), code: 'REQUIRED', message: `$${name} is required` }];
    const issues: InputIssue[] = [];
    coerceInputValue(value, type, (path, _, error) => issues.push(issueOf(['variables', name, ...path], error)));
    return issues;
  });

/** What is wrong with the variables of an operation, each with its place. Called only after execution has refused them. */
export const variableIssues = (
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
  values: Readonly<Record<string, unknown>>,
): InputIssue[] => {
  const operation = getOperationAST(document, operationName);
  return operation ? issuesOf(operation, schema, values) : [];
};
