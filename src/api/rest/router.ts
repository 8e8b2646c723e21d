import { type Request, type RequestHandler, Router } from 'express';
import { z } from 'zod';
import { refuseForeign } from '../edge/host-guard.ts';
import { hasBody, readJsonBody } from '../edge/json-body.ts';
import { parseQuery } from '../edge/query-string.ts';
import { methodNotAllowed } from '../errors.ts';
import { OPERATIONS, type Operation, type RestContext } from './operations.ts';
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

const queryOf = ({ originalUrl }: Request, { query }: Operation): Record<string, string> => {
  const start = originalUrl.indexOf('?');
  const search = new URLSearchParams(start === -1 ? '' : originalUrl.slice(start));
  return parseQuery(query ?? NoQuery, search) as Record<string, string>;
};

const handlerOf =
  (operation: Operation, context: RestContext): RequestHandler =>
  async (request, response) => {
    const [target = ''] = Object.values(request.params) as string[];
    const answer = await operation.run(context, {
      caller: context.callerOf({ header: (name) => request.headers[name] as string | undefined }),
      target,
      query: queryOf(request, operation),
      body: operation.body && (await bodyOf(request, operation.body)),
    });
    if (answer.location !== undefined) response.location(answer.location);
    response.status(operation.success.status).json(answer.body);
  };

const onlyBy = ({ method }: Operation): RequestHandler => {
  const allowed = method === 'get' ? 'GET, HEAD' : method.toUpperCase();
  return (request, response) => {
    response.set('allow', allowed);
    throw methodNotAllowed(request.method, allowed);
  };
};

/** The path as express writes it. */
export const routeOf = ({ path }: Operation): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/** The endpoints under `/api/v1`. Every path has one operation. */
export const restRouter = (context: RestContext): Router => {
  const router = Router();
  for (const operation of OPERATIONS) {
    const route = routeOf(operation);
    router[operation.method](route, handlerOf(operation, context));
    router.all(route, onlyBy(operation));
  }
  return router;
};
