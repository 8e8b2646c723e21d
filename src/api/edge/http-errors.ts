import type { ErrorRequestHandler, Request, RequestHandler } from 'express';
import { notFound } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { answerOf, EdgeError, problemOf } from '../errors.ts';

/** Errors of express and its parsers have a status below 500 when the request is at fault. */
const asEdgeError = (error: unknown): unknown => {
  const { status } = (error ?? {}) as { status?: unknown };
  if (!(error instanceof Error) || typeof status !== 'number' || status < 400 || status >= 500) return error;
  return new EdgeError('BAD_REQUEST', 'the request could not be understood');
};

export const noSuchPath: RequestHandler = (request) => {
  throw notFound('path', request.path);
};

/** Every error of an HTTP endpoint ends here, as a problem document. */
export const problems =
  (logger: Logger): ErrorRequestHandler =>
  (error: unknown, request: Request, response, next) => {
    if (response.headersSent) return next(error);
    const answer = answerOf(asEdgeError(error), logger);
    if (answer.retryAfterSeconds !== undefined) response.set('retry-after', String(answer.retryAfterSeconds));
    response.status(answer.status).type('application/problem+json').send(problemOf(answer, request.path));
  };
