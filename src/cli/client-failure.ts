import type { BatonError } from 'baton-client';
import type { InputIssue } from '../platform/errors.ts';
import { EXIT, Failure, unreachable } from './failure.ts';

/** Codes for a wrong value, on the client or on the server. */
const BAD_VALUE = new Set(['BAD_USER_INPUT', 'BAD_PAGE_SIZE', 'BAD_CURSOR']);

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be resolved',
  ECONNRESET: 'the connection was cut',
  ETIMEDOUT: 'no answer',
  EPROTO: 'it does not speak TLS: http:// instead of https://?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: http:// instead of https://?',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; NODE_EXTRA_CA_CERTS names a file of trusted ones',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
};

/** Node puts the failures of several addresses into an AggregateError without a message. */
const causeOf = (error: unknown): { code?: string; message?: string } =>
  ((error instanceof AggregateError ? error.errors[0] : error) ?? {}) as { code?: string; message?: string };

const connectionFailure = ({ url, cause }: BatonError): Failure => {
  const { code = '', message = '' } = causeOf(cause);
  return unreachable(
    `no Baton server answers at ${url}: ${REASONS[code] ?? (message || code)}`,
    'start one with `npm start`, or name it with --url or BATON_URL',
    cause,
  );
};

const messageOf = (message: string, issues: readonly InputIssue[]): string =>
  issues.length === 0
    ? message
    : issues.map((issue) => `${issue.pointer || '/'}: ${issue.message} (${issue.code})`).join('\n');

/** Codes of a server that works and has no room for more. */
const NO_ROOM = new Set(['POOL_FULL']);

const adviceOf = (code: string, retryAfterSeconds = 1): string =>
  NO_ROOM.has(code) ? `try again in ${retryAfterSeconds} s` : 'try again; `baton doctor` checks the stores';

/** What a failed call means to the shell and to people: exit code 3 when trying again later may help, 2 for a bad value, else 1. */
export const failureOf = (error: BatonError): Failure => {
  const { code, message, issues, retryable, retryAfterSeconds, url } = error;
  switch (code) {
    case 'UNREACHABLE':
      return connectionFailure(error);
    case 'NOT_BATON':
      return unreachable(message, 'name the right one with --url or BATON_URL', error);
    case 'STREAM_ENDED':
      return unreachable(`the server at ${url} closed the stream`, 'run the command again to continue watching', error);
    default:
      return new Failure(
        retryable ? EXIT.unreachable : BAD_VALUE.has(code) ? EXIT.usage : EXIT.failed,
        messageOf(message, issues),
        { code, issues, cause: error, ...(retryable ? { advice: adviceOf(code, retryAfterSeconds) } : {}) },
      );
  }
};
