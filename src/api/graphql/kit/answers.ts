import type { ExecutionResult } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { ApiContext } from './context.ts';
import { GraphQLError } from './graphql-js.ts';
import { variableIssues } from './variable-issues.ts';

type Http = { readonly status?: number; readonly headers?: Readonly<Record<string, string>> };

const withHttp = (error: GraphQLError, http: Http | undefined, message = error.message): GraphQLError => {
  const { http: _, ...extensions } = error.extensions;
  return new GraphQLError(message, {
    nodes: error.nodes ?? null,
    source: error.source ?? null,
    positions: error.positions ?? null,
    path: error.path ?? null,
    extensions: { ...extensions, ...(http ? { http } : {}) },
  });
};

/** Yoga answers some refusals with 200 when the client accepts plain JSON. Here a refusal has its own status for every media type. */
const refusal = (error: GraphQLError, hideNames: boolean): GraphQLError => {
  const { status = 400, headers } = (error.extensions['http'] ?? {}) as Http;
  const message = hideNames ? error.message.replace(/ Did you mean .*$/s, '') : error.message;
  return withHttp(error, { status, ...(headers ? { headers } : {}) }, message);
};

/** Clients of an event stream read frames only from a 200 answer, so a refusal by the subscription's own resolver is sent as a frame. */
const isForStream = (request: Request, { errors }: ExecutionResult): boolean =>
  (request.headers.get('accept') ?? '').includes('text/event-stream') &&
  (errors ?? []).some((error) => error.path !== undefined);

const hasData = ({ data }: ExecutionResult): boolean =>
  data !== undefined && data !== null && Object.values(data).some((value) => value !== null);

/**
 * Gives answers their final form: bad variables are reported with their place, a refusal has the HTTP status of its error, and an answer
 * with data is a success for HTTP even if part of it failed. `extensions.asOf` is the log position that the answer reflects.
 */
export const useAnswers = (options: { readonly hideNames: boolean }): Plugin => ({
  onExecute({ args }) {
    return {
      onExecuteDone({ result, setResult }) {
        if (isAsyncIterable(result)) return;
        const { asOf } = (args.contextValue as ApiContext).reads;
        if (asOf !== undefined)
          setResult({ ...result, extensions: { ...result.extensions, asOf: String(asOf < 0n ? 0n : asOf) } });
        // Without data nothing was executed: the variables did not fit.
        if (!result.errors || result.data !== undefined) return;
        const issues = variableIssues(args.schema, args.document, args.operationName, args.variableValues ?? {});
        const message = issues.map((issue) => `${issue.pointer}: ${issue.message}`).join('; ');
        const extensions = { code: 'BAD_USER_INPUT', issues, http: { status: 400 } };
        if (issues.length > 0) setResult({ errors: [new GraphQLError(message, { extensions })] });
      },
    };
  },
  onExecutionResult({ request, result, setResult }) {
    if (!result || isAsyncIterable(result) || !result.errors) return;
    const errors =
      hasData(result) || isForStream(request, result)
        ? result.errors.map((error) => withHttp(error, undefined))
        : result.errors.map((error) => refusal(error, options.hideNames));
    setResult({ ...result, errors });
  },
});
