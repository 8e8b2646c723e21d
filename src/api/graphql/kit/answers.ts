import type { ExecutionResult } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { boundedMessage, MAX_ISSUES } from '../../../platform/errors.ts';
import type { ApiContext } from './context.ts';
import { GraphQLError } from './graphql-js.ts';
import { jsonTypeFor } from './media-type.ts';

type Http = { readonly status?: number; readonly headers?: Readonly<Record<string, string>> };

const withHttp = (error: GraphQLError, http: Http | undefined, message = error.message): GraphQLError => {
  const { http: _, ...extensions } = error.extensions;
  return new GraphQLError(boundedMessage(message), {
    nodes: error.nodes ?? null,
    source: error.source ?? null,
    positions: error.positions ?? null,
    path: error.path ?? null,
    extensions: { ...extensions, ...(http ? { http } : {}) },
  });
};

const METHOD_NOT_ALLOWED = 405;

/**
 * GraphQL over HTTP: an answer of type `application/json` has status 200 whatever became of a well-formed request, because with another
 * status it might come from a proxy. The method is not part of that.
 */
const statusFor = (request: Request, status: number): number =>
  status !== METHOD_NOT_ALLOWED && jsonTypeFor(request.headers.get('accept')) === 'application/json' ? 200 : status;

const refusal = (error: GraphQLError, request: Request, hideNames: boolean): GraphQLError => {
  const { status: own = 400, headers } = (error.extensions['http'] ?? {}) as Http;
  const status = statusFor(request, own);
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
 * Gives answers their final form: a refusal has the HTTP status of its error where its media type allows that, and an answer with data is a
 * success for HTTP even if part of it failed. `extensions.asOf` is the log position that the answer reflects.
 */
export const useAnswers = (options: { readonly hideNames: boolean }): Plugin => ({
  onExecute({ args }) {
    return {
      onExecuteDone({ result, setResult }) {
        if (isAsyncIterable(result)) return;
        const { asOf } = (args.contextValue as ApiContext).reads;
        if (asOf !== undefined)
          setResult({ ...result, extensions: { ...result.extensions, asOf: String(asOf < 0n ? 0n : asOf) } });
      },
    };
  },
  onExecutionResult({ request, result, setResult }) {
    if (!result || isAsyncIterable(result) || !result.errors) return;
    const errors =
      hasData(result) || isForStream(request, result)
        ? result.errors.map((error) => withHttp(error, undefined))
        : result.errors.slice(0, MAX_ISSUES).map((error) => refusal(error, request, options.hideNames));
    setResult({ ...result, errors });
  },
});
