import type { RequestHandler } from 'express';
import type { Clock, Ids } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** Unique across processes through its first part, and cheap: a random id per request would cost more than the rest of this file. */
const requestIds = (ids: Ids): (() => string) => {
  const process = ids.next();
  let count = 0;
  return () => `${process}.${(++count).toString(36)}`;
};

/** Echoes or creates `x-request-id`, and logs each request once it is answered. */
export const requestLog = (
  { clock, ids }: { readonly clock: Clock; readonly ids: Ids },
  logger: Logger,
): RequestHandler => {
  const nextId = requestIds(ids);
  return (request, response, next) => {
    const sent = request.headers['x-request-id'];
    const requestId = typeof sent === 'string' && REQUEST_ID.test(sent) ? sent : nextId();
    response.setHeader('x-request-id', requestId);
    if (!logger.isLevelEnabled('debug')) return next();
    const start = clock.monotonic();
    response.once('finish', () => {
      const ms = Math.round((clock.monotonic() - start) * 10) / 10;
      logger.debug(
        {
          requestId,
          method: request.method,
          path: request.originalUrl.split('?', 1)[0],
          status: response.statusCode,
          ms,
        },
        'request',
      );
    });
    next();
  };
};
