import type { RequestHandler } from 'express';
import type { Clock, Ids } from '../platform/clock.ts';
import type { Logger } from '../platform/logger.ts';

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** Echoes or gives `x-request-id`, and tells of each request once it is answered. */
export const requestLog =
  (ports: { readonly clock: Clock; readonly ids: Ids }, logger: Logger): RequestHandler =>
  (request, response, next) => {
    const given = request.get('x-request-id');
    const requestId = given !== undefined && REQUEST_ID.test(given) ? given : ports.ids.next();
    response.set('x-request-id', requestId);
    const start = ports.clock.monotonic();
    response.once('finish', () => {
      if (!logger.isLevelEnabled('debug')) return;
      const ms = Math.round((ports.clock.monotonic() - start) * 10) / 10;
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
