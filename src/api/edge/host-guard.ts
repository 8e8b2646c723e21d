import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import type { Config } from '../../platform/config.ts';
import { EdgeError } from '../errors.ts';

const LOOPBACK = /^(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;
const LOOPBACK_ADDRESS = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i;

/**
 * Tells whether a request names this server. One that listens on loopback only is meant for this machine, but a page in its browser can
 * reach it too, under a name of its own that resolves to loopback (DNS rebinding), and would then be of the same origin.
 */
export const ownHosts = ({ host, publicUrl }: Pick<Config, 'host' | 'publicUrl'>) => {
  if (!LOOPBACK_ADDRESS.test(host)) return () => true;
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
      'this server listens on loopback and is not known under this name; set BATON_PUBLIC_URL to the address of a proxy before it',
    );
  };

/** A page of another site may send us requests and open sockets, but not without saying so. */
export const isForeign = ({ headers }: IncomingMessage): boolean => {
  const { origin, host } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
};
