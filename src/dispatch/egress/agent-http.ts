import { type Agent, type Dispatcher, errors, request } from 'undici';
import type { Clock } from '../../platform/clock.ts';
import { badResponse, TransportError, type TransportErrorOptions } from '../transports/transport.ts';
import { EgressDenied } from './egress.ts';
import { lineStreamOf } from './line-stream.ts';

/** A JSON answer: the result (256 KiB at most), what the agent wraps around it, and its escapes. */
const MAX_RESPONSE_BYTES = 2 * 1024 * 1024;
/** All events of one stream together. */
export const MAX_STREAM_BYTES = 32 * 1024 * 1024;
/** Time without a byte after an answer has begun. */
export const BODY_IDLE_MS = 30_000;

/** How much of an unwanted body is read, and for how long, so that the connection can be used again. */
const DISCARDED = 16 * 1024;
const DISCARD_MS = 1_000;

/** The request never reached the agent. */
const UNREACHED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** The connection broke, perhaps after the request had been read. */
const CUT = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'UND_ERR_SOCKET', 'UND_ERR_CLOSED', 'UND_ERR_DESTROYED']);

type DestinationOptions = Omit<TransportErrorOptions, 'source' | 'retryable'>;

const destination = (code: string, message: string, options: DestinationOptions): TransportError =>
  new TransportError(code, message, { source: 'destination', retryable: true, ...options });

/** A network error's name. Other errors have codes of other types: a `DOMException` has a number. */
const codeOf = (error: unknown): string | undefined => {
  if (error instanceof AggregateError && codeOf(error.errors[0]) !== undefined) return codeOf(error.errors[0]);
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
};

/** What a failed exchange means for the attempt; undefined when something else failed. */
export const networkFailure = (error: unknown): TransportError | undefined => {
  if (error instanceof TransportError) return error;
  if (error instanceof EgressDenied)
    return new TransportError(error.code, error.message, {
      source: 'baton',
      retryable: false,
      outcomeKnown: true,
      cause: error,
    });
  if (error instanceof errors.ResponseExceededMaxSizeError)
    return badResponse('AGENT_RESPONSE_TOO_LARGE', `the answer has more than ${MAX_STREAM_BYTES} bytes`, error);
  if (error instanceof errors.BodyTimeoutError)
    return new TransportError('AGENT_TIMEOUT', `no byte of the answer came for ${BODY_IDLE_MS} ms`, {
      source: 'timeout',
      retryable: true,
      outcomeKnown: false,
      cause: error,
    });
  if (error instanceof errors.HTTPParserError)
    return badResponse('AGENT_PROTOCOL_ERROR', 'the answer is not HTTP', error);
  const code = codeOf(error);
  if (code === undefined) return undefined;
  const unknown = { outcomeKnown: false, cause: error };
  if (UNREACHED.has(code)) {
    const options = { outcomeKnown: true, unreached: true, cause: error };
    return destination('AGENT_UNREACHABLE', `the agent cannot be reached: ${code}`, options);
  }
  if (CUT.has(code)) return destination('AGENT_CONNECTION_LOST', 'the connection broke during the call', unknown);
  return code.startsWith('UND_ERR_') || code.startsWith('ERR_SSL_') || code.startsWith('E')
    ? destination('AGENT_UNREACHABLE', `the call failed: ${code}`, unknown)
    : undefined;
};

/** No policy may wait longer for a next attempt than an agent may ask for. */
export const MAX_RETRY_AFTER_MS = 86_400_000;

/** What `Retry-After` asks for, in milliseconds: seconds or a date (RFC 9110, 10.2.3). What is neither asks for nothing. */
export const retryAfterMs = (value: string, nowMs: number): number | undefined => {
  const text = value.trim();
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return delayMs > 0 ? Math.min(delayMs, MAX_RETRY_AFTER_MS) : undefined;
};

/**
 * What the status alone means. Redirects are never followed: they would take the task wherever the agent points. The body of other
 * refusals (4xx) says more; the SDK reads it.
 */
const statusFailure = (status: number, waitMs: number | undefined): TransportError | undefined => {
  const wait = waitMs === undefined ? {} : { retryAfterMs: waitMs };
  if (status >= 300 && status < 400)
    return new TransportError('AGENT_REDIRECTED', `HTTP ${status}: redirects are not followed`, {
      source: 'agent',
      retryable: true,
      outcomeKnown: true,
    });
  if (status >= 500) return destination('AGENT_HTTP_ERROR', `HTTP ${status}`, { outcomeKnown: false, ...wait });
  if (status === 429 || status === 408 || status === 425)
    return destination('AGENT_BUSY', `HTTP ${status}`, { outcomeKnown: true, ...wait });
  if (status === 401 || status === 403 || status === 407)
    return new TransportError('AGENT_UNAUTHORIZED', `HTTP ${status}: the agent asks for credentials`, {
      source: 'agent',
      retryable: true,
      outcomeKnown: true,
    });
  return undefined;
};

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
const STREAM_TYPE = /^text\/event-stream\s*(?:;|$)/i;

/** Reads a body as text; never keeps more than `limit` bytes in memory. */
export const readBounded = async (body: AsyncIterable<Buffer>, limit: number): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > limit) throw badResponse('AGENT_RESPONSE_TOO_LARGE', `the answer has more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** Discards a body; a short one is read to its end, which keeps the connection. */
export const discard = (body: Dispatcher.ResponseData['body']): void => {
  body.dump({ limit: DISCARDED, signal: AbortSignal.timeout(DISCARD_MS) }).catch(() => {}); // it may end in any way
};

const headerOf = (headers: Dispatcher.ResponseData['headers'], name: string): string => {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? '';
};

/** The part of a `Response` that the SDK reads. A real one costs 0.1 ms more per call, for a stream that is not used here. */
class TextAnswer implements Pick<Response, 'ok' | 'status' | 'statusText' | 'headers' | 'text' | 'json'> {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText = '';
  readonly #type: string;
  readonly #text: string;

  constructor(status: number, type: string, text: string) {
    this.ok = status >= 200 && status < 300;
    this.status = status;
    this.#type = type;
    this.#text = text;
  }

  get headers(): Headers {
    return new Headers({ 'content-type': this.#type });
  }

  async text(): Promise<string> {
    return this.#text;
  }

  async json(): Promise<unknown> {
    return JSON.parse(this.#text);
  }
}

/** An error in one of A2A's forms: JSON-RPC and REST wrap it, REST 0.3 does not. */
const isA2aError = (text: string): boolean => {
  try {
    const { error, code } = JSON.parse(text) as { readonly error?: unknown; readonly code?: unknown };
    return (typeof error === 'object' && error !== null) || typeof code === 'number';
  } catch {
    return false;
  }
};

type Exchange = { readonly asksForStream: boolean; readonly clock: Clock };

/** Errors never quote a body: what answers may be no agent at all, but a service that its caller must not see. */
const answerOf = async (
  { statusCode, headers, body }: Dispatcher.ResponseData,
  { asksForStream, clock }: Exchange,
): Promise<Response> => {
  const failure = statusFailure(statusCode, retryAfterMs(headerOf(headers, 'retry-after'), clock.now()));
  const type = headerOf(headers, 'content-type');
  if (statusCode === 200 && asksForStream && STREAM_TYPE.test(type))
    return new Response(lineStreamOf(body), { headers: { 'content-type': type } });
  if (failure || statusCode === 204 || !JSON_TYPE.test(type)) {
    discard(body);
    if (failure) throw failure;
    if (statusCode === 204) return new Response(null, { status: 204 });
    const shown = JSON.stringify(type.slice(0, 100));
    throw badResponse('AGENT_PROTOCOL_ERROR', `HTTP ${statusCode} with content type ${shown}`);
  }
  const text = await readBounded(body, MAX_RESPONSE_BYTES);
  if (statusCode >= 400 && !isA2aError(text))
    throw badResponse('AGENT_PROTOCOL_ERROR', `HTTP ${statusCode} without an A2A error`);
  return new TextAnswer(statusCode, type, text) as unknown as Response;
};

const headersOf = (headers: RequestInit['headers']): Record<string, string> =>
  headers && !Array.isArray(headers) && !(headers instanceof Headers)
    ? (headers as Record<string, string>)
    : Object.fromEntries(new Headers(headers));

const asksForStream = (headers: Readonly<Record<string, string>>): boolean =>
  Object.entries(headers).some(([name, value]) => name.toLowerCase() === 'accept' && STREAM_TYPE.test(value));

/**
 * A `fetch` for the A2A client over a guarded pool of connections: follows no redirects, limits what it reads, accepts only JSON or, where
 * the request asks for one, an event stream, and fails with `TransportError` (or the reason of the signal).
 */
export const createAgentFetch =
  (dispatcher: Agent, clock: Clock): typeof fetch =>
  async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const headers = headersOf(init?.headers);
    try {
      const response = await request(url, {
        dispatcher,
        method: (init?.method ?? 'GET') as Dispatcher.HttpMethod,
        headers,
        body: (init?.body as string | null | undefined) ?? null,
        signal: init?.signal ?? null,
      });
      return await answerOf(response, { asksForStream: asksForStream(headers), clock });
    } catch (error) {
      if (init?.signal?.aborted) throw init.signal.reason;
      throw networkFailure(error) ?? error;
    }
  };
