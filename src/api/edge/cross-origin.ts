import type { IncomingMessage } from 'node:http';
import cors from 'cors';
import type { RequestHandler } from 'express';
import type { Config } from '../../platform/config.ts';
import { welcome } from './host-guard.ts';

/** Seconds for which a browser may keep the answer to a preflight request: a setting that was taken back holds until then. */
const PREFLIGHT_SECONDS = 600;

/** Headers of answers that scripts of other sites may read. */
const EXPOSED = ['location', 'preference-applied', 'retry-after'];

type CorsConfig = Pick<Config, 'corsOrigins' | 'corsCredentials'>;

/** Whether a request comes from a page of a site that the settings allow. */
export const fromAllowedOrigin = ({ corsOrigins }: CorsConfig) => {
  const allowed = new Set(corsOrigins);
  return ({ headers: { origin } }: IncomingMessage): boolean =>
    origin !== undefined && (allowed.has('*') || allowed.has(origin));
};

/** Lets pages of the allowed sites use what is behind it; answers their preflight requests. */
export const crossOrigin = (config: CorsConfig): RequestHandler => {
  const { corsOrigins, corsCredentials } = config;
  if (corsOrigins.length === 0) return (_request, _response, next) => next();
  const isAllowed = fromAllowedOrigin(config);
  const answer = cors({
    origin: corsOrigins.includes('*') ? '*' : [...corsOrigins],
    credentials: corsCredentials,
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS,
  });
  return (request, response, next) => {
    if (isAllowed(request)) welcome(request);
    answer(request, response, next);
  };
};
