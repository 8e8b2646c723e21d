import type { ExecutionResult, FormattedExecutionResult, GraphQLError, GraphQLFormattedError } from 'graphql';
import { boundedMessage } from '../../../platform/errors.ts';

/** An error as a frame of a subscription shows it: it has no HTTP status of its own. */
export const withoutHttp = (error: GraphQLError): GraphQLFormattedError => {
  const { extensions = {}, ...rest } = error.toJSON();
  const { http: _, ...shown } = extensions;
  return { ...rest, message: boundedMessage(rest.message), extensions: shown };
};

type Result = {
  readonly data?: ExecutionResult['data'] | undefined;
  readonly extensions?: ExecutionResult['extensions'] | undefined;
};

export const formatted = (errors: readonly GraphQLError[], { data, extensions }: Result): FormattedExecutionResult => ({
  errors: errors.map(withoutHttp),
  ...(data === undefined ? {} : { data }),
  ...(extensions === undefined ? {} : { extensions }),
});
