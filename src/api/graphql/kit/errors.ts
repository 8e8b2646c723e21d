import type { GraphQLErrorExtensions } from 'graphql';
import type { Logger } from '../../../platform/logger.ts';
import { answerOf, type EdgeCode, type ErrorAnswer } from '../../errors.ts';
import { GraphQLError } from './graphql-js.ts';

/** `extensions` of a GraphQL error. Yoga removes `http` before it sends the answer. */
export const extensionsOf = (answer: ErrorAnswer): GraphQLErrorExtensions => ({
  code: answer.code,
  ...(answer.retryable ? { retryable: true } : {}),
  ...(answer.retryAfterSeconds === undefined ? {} : { retryAfter: answer.retryAfterSeconds }),
  ...(answer.issues ? { issues: answer.issues } : {}),
  ...(answer.details ? { details: answer.details } : {}),
  http: {
    status: answer.status,
    ...(answer.retryAfterSeconds === undefined ? {} : { headers: { 'retry-after': String(answer.retryAfterSeconds) } }),
  },
});

/** The code for what the GraphQL server itself refuses. */
const codeOf = (error: GraphQLError): unknown => {
  const { code, http } = error.extensions as { code?: unknown; http?: { status?: number } };
  if (code === 'OPERATION_RESOLUTION_FAILURE') return 'OPERATION_NAME_REQUIRED' satisfies EdgeCode;
  if (http?.status === 405) return 'METHOD_NOT_ALLOWED' satisfies EdgeCode;
  return code ?? ('BAD_REQUEST' satisfies EdgeCode);
};

const deepestCause = (error: unknown): unknown =>
  error instanceof GraphQLError && error.originalError ? deepestCause(error.originalError) : error;

/** An error of a GraphQL operation as it is sent: the answer of the one mapping, with the path where it happened. */
export const toGraphQLError = (error: unknown, logger: Logger): GraphQLError => {
  const cause = deepestCause(error);
  if (cause instanceof GraphQLError) {
    const code = codeOf(cause);
    if (code === cause.extensions['code']) return cause;
    return new GraphQLError(cause.message, {
      nodes: cause.nodes ?? null,
      source: cause.source ?? null,
      positions: cause.positions ?? null,
      path: cause.path ?? null,
      extensions: { http: { status: 400 }, ...cause.extensions, code },
    });
  }
  const at = error instanceof GraphQLError ? { nodes: error.nodes ?? null, path: error.path ?? null } : {};
  const answer = answerOf(cause, logger);
  return new GraphQLError(answer.message, { ...at, extensions: extensionsOf(answer) });
};
