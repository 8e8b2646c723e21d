import { type Request, type RequestHandler, type Response, Router } from 'express';
import { z } from 'zod';
import type { Patience } from '../../processes/outcomes/waits.ts';
import { refuseForeign } from '../edge/host-guard.ts';
import { hasBody, readJsonBody } from '../edge/json-body.ts';
import { parseQuery } from '../edge/query-string.ts';
import { methodNotAllowed } from '../errors.ts';
import type { Operation, RestContext } from './operation.ts';
import { OPERATIONS } from './operations.ts';
import { waitOf } from './prefer.ts';
import { isYaml, readYamlBody } from './yaml-body.ts';

const NoQuery = z.strictObject({});

/**
 * A page of another site cannot send a body of JSON or YAML without a preflight request, only simple types. It can send a request
 * without a body, which is refused here.
 */
const bodyOf = async (request: Request, { required, yaml }: NonNullable<Operation['body']>): Promise<unknown> => {
  if (yaml && isYaml(request)) return readYamlBody(request);
  if (required || hasBody(request)) return readJsonBody(request);
  refuseForeign(request);
  return {};
};

const queryOf = ({ originalUrl }: Request, { query }: Operation): Record<string, unknown> => {
  const start = originalUrl.indexOf('?');
  const search = new URLSearchParams(start === -1 ? '' : originalUrl.slice(start));
  return parseQuery(query ?? NoQuery, search);
};

type Wait = Patience & { readonly applied?: string | undefined };

/** How long the client waits; the answer confirms it. */
const patienceOf = (request: Request, response: Response, { waits }: Operation): Wait => {
  const gone = new AbortController();
  if (waits === undefined) return { ms: 0, gone: gone.signal };
  const { ms, applied } = waitOf(request.headers['prefer'] as string | undefined);
  if (ms > 0) response.once('close', () => gone.abort());
  return { ms, gone: gone.signal, applied };
};

const handlerOf =
  (operation: Operation, { callerOf, readsOf, ...context }: RestContext): RequestHandler =>
  async (request, response) => {
    const [target = ''] = Object.values(request.params) as string[];
    const caller = callerOf({ header: (name) => request.headers[name] as string | undefined });
    const patience = patienceOf(request, response, operation);
    const answer = await operation.run({
      ...context,
      caller,
      reads: readsOf(caller.tenant),
      target,
      query: queryOf(request, operation),
      patience,
      body: operation.body && (await bodyOf(request, operation.body)),
    });
    if (patience.applied !== undefined) response.set('preference-applied', patience.applied);
    if (operation.waits) response.vary('Prefer');
    if (answer.location !== undefined) response.location(answer.location);
    response.status(answer.status ?? operation.success.status).json(answer.body);
  };

const onlyBy = (methods: readonly Operation['method'][]): RequestHandler => {
  const allowed = methods.flatMap((method) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()])).join(', ');
  return (request, response) => {
    response.set('allow', allowed);
    throw methodNotAllowed(request.method, allowed);
  };
};

export const pathsOf = ({ path, alsoAt }: Operation): string[] => (alsoAt === undefined ? [path] : [path, alsoAt]);

/** The path as express writes it. */
const routeOf = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/** The endpoints under `/api/v1`. */
export const restRouter = (context: RestContext): Router => {
  const router = Router();
  const methods = new Map<string, Operation['method'][]>();
  for (const operation of OPERATIONS)
    for (const route of pathsOf(operation).map(routeOf)) {
      router[operation.method](route, handlerOf(operation, context));
      methods.set(route, [...(methods.get(route) ?? []), operation.method]);
    }
  for (const [route, allowed] of methods) router.all(route, onlyBy(allowed));
  return router;
};
