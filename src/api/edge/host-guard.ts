import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import type { Config } from '../../platform/config.ts';
import { listensOnLoopback } from '../../platform/hosts.ts';
import { EdgeError } from '../errors.ts';

const LOOPBACK =
  /^(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]+\])(?::\d+)?$/i;

/**
 * Whether a request names this server. A server that listens only on loopback is meant for this machine, but a page in a browser can
 * reach it too, under a host name that resolves to loopback (DNS rebinding), and would then count as same-origin.
 */
export const ownHosts = ({ host, publicUrl }: Pick<Config, 'host' | 'publicUrl'>) => {
  if (!listensOnLoopback(host)) return () => true;
  const publicHost = publicUrl === undefined ? undefined : new URL(publicUrl).host;
  return ({ headers }: IncomingMessage): boolean =>
    headers.host !== undefined && (LOOPBACK.test(headers.host) || headers.host === publicHost);
};

export const onlyOwnHosts =
  (isOwn: (request: IncomingMessage) => boolean): RequestHandler =>
  (request, _response, next) => {
    if (isOwn(request)) return next();
    throw new EdgeError(
      'FORBIDDEN',
      'this server listens on loopback and does not serve this host name; behind a proxy, set BATON_PUBLIC_URL to the address of the proxy',
    );
  };

/** Requests from pages of other sites that the settings allow. */
const guests = new WeakSet<IncomingMessage>();

/** From here on the request counts as one of our own pages. */
export const welcome = (request: IncomingMessage): void => void guests.add(request);

/** A page of another site may send requests and open sockets, but the browser marks them. */
export const isForeign = (request: IncomingMessage): boolean => {
  const { origin, host } = request.headers;
  if (origin === undefined || guests.has(request)) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
};

/** For requests without a body, which need no preflight request. Errors: `EdgeError` `FORBIDDEN`. */
export const refuseForeign = (request: IncomingMessage): void => {
  if (isForeign(request)) throw new EdgeError('FORBIDDEN', 'requests from pages of other sites are refused');
};
