import type { IncomingMessage } from 'node:http';
import type { GraphQLParams, Plugin } from 'graphql-yoga';
import { parseJson, readJsonBody } from '../../edge/json-body.ts';
import { EdgeError, methodNotAllowed } from '../../errors.ts';

const asObject = (value: unknown, what: string): Record<string, unknown> => {
  if (Array.isArray(value)) throw new EdgeError('BATCH_DISABLED', `${what} is a list: send one operation per request`);
  if (value === null || typeof value !== 'object')
    throw new EdgeError('MALFORMED_JSON', `${what} must be a JSON object`, { offset: 0 });
  return value as Record<string, unknown>;
};

const optional = (value: unknown, what: string): Record<string, unknown> | undefined =>
  value === undefined || value === null ? undefined : asObject(value, what);

/** The parameters of one operation. Names that GraphQL over HTTP does not know are refused, because they are typing errors. */
export const graphqlParams = (value: unknown): GraphQLParams => {
  const { query, variables, operationName, extensions, ...unknown } = asObject(value, 'the body');
  const [member] = Object.keys(unknown);
  if (member !== undefined)
    throw new EdgeError(
      'BAD_REQUEST',
      `unknown member ${JSON.stringify(member)}; allowed are query, variables, operationName, extensions`,
    );
  if (typeof query !== 'string') throw new EdgeError('BAD_REQUEST', 'query must be a string');
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string')
    throw new EdgeError('BAD_REQUEST', 'operationName must be a string');
  return {
    query,
    variables: optional(variables, 'variables') ?? {},
    extensions: optional(extensions, 'extensions') ?? {},
    ...(typeof operationName === 'string' ? { operationName } : {}),
  };
};

const paramsOfUrl = (url: string): GraphQLParams => {
  const search = new URL(url, 'http://localhost').searchParams;
  const value: Record<string, unknown> = {};
  for (const name of new Set(search.keys())) {
    const all = search.getAll(name);
    if (all.length > 1)
      throw new EdgeError('BAD_REQUEST', `${JSON.stringify(name)} appears ${all.length} times; send it once`);
    value[name] = name === 'variables' || name === 'extensions' ? parseJson(all[0] as string) : all[0];
  }
  return graphqlParams(value);
};

/** What the HTTP server hands to yoga. */
export type NodeContext = { readonly req: IncomingMessage };

/** Reads requests with our own checks instead of yoga's parsers. */
export const useCheckedRequests = (): Plugin<object, NodeContext> => ({
  onRequestParse({ setRequestParser, serverContext }) {
    setRequestParser(async (request) => {
      if (request.method === 'POST') return graphqlParams(await readJsonBody(serverContext.req));
      if (request.method === 'GET') return paramsOfUrl(request.url);
      throw methodNotAllowed(request.method, 'POST');
    });
  },
});
