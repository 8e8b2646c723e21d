import { STATUS_CODES } from 'node:http';
import { Agent, type Dispatcher, request } from 'undici';
import { z } from 'zod';
import type { InputIssue } from '../platform/errors.ts';
import { EXIT, Failure, unreachable } from './failure.ts';
import { serverSentEvents } from './server-sent-events.ts';

const Issue = z.object({ pointer: z.string(), code: z.string(), message: z.string() });

const GraphQLErrors = z
  .array(
    z.object({
      message: z.string(),
      extensions: z
        .looseObject({ code: z.string().default('ERROR'), issues: z.array(Issue).default([]) })
        .default({ code: 'ERROR', issues: [] }),
    }),
  )
  .min(1);

const Answer = z.looseObject({ data: z.unknown().optional(), errors: GraphQLErrors.optional() });

/** A server that is there but cannot serve: trying again later is what helps. */
const AWAY = new Set(['UNAVAILABLE', 'STALE_READ', 'TIMEOUT', 'REQUEST_TIMEOUT', 'SLOW_CONSUMER']);
/** The value was wrong, whoever noticed. */
const BAD_VALUE = new Set(['BAD_USER_INPUT', 'BAD_PAGE_SIZE', 'BAD_CURSOR']);

const exitCodeOf = (code: string): number =>
  AWAY.has(code) ? EXIT.unreachable : BAD_VALUE.has(code) ? EXIT.usage : EXIT.failed;

const messageOf = (message: string, issues: readonly InputIssue[]): string =>
  issues.length === 0
    ? message
    : issues.map((issue) => `${issue.pointer || '/'}: ${issue.message} (${issue.code})`).join('\n');

const failureOf = (errors: z.output<typeof GraphQLErrors>): Failure => {
  const [{ message, extensions }] = errors as [z.output<typeof GraphQLErrors>[number]];
  const { code, issues } = extensions;
  return new Failure(exitCodeOf(code), messageOf(message, issues), {
    code,
    issues,
    ...(AWAY.has(code) ? { advice: 'try again; `baton doctor` checks the stores' } : {}),
  });
};

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be looked up',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  ETIMEDOUT: 'no answer',
  UND_ERR_CONNECT_TIMEOUT: 'no answer',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'no answer in time',
  EPROTO: 'it does not speak TLS: http:// instead of https://?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: http:// instead of https://?',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; NODE_EXTRA_CA_CERTS names a file of trusted ones',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
};

/** Node puts the failures of several addresses into an AggregateError without a message. */
const causeOf = (error: unknown): { code?: string; message?: string } =>
  (error instanceof AggregateError ? error.errors[0] : error) as { code?: string; message?: string };

const WHAT_NOW = 'start one with `npm start`, or name it with --url or BATON_URL';

const notThere = (url: string, error: unknown): Failure => {
  const { code = '', message = '' } = causeOf(error);
  return unreachable(`no Baton server answers at ${url}: ${REASONS[code] ?? (message || code)}`, WHAT_NOW, error);
};

const notBaton = (url: string, status: number, contentType: string): Failure =>
  unreachable(
    `what answers at ${url} is no Baton server (HTTP ${status} ${STATUS_CODES[status] ?? ''}, ${contentType || 'no content type'})`,
    'name the right one with --url or BATON_URL',
  );

export type ClientOptions = {
  /** Connections kept open at most. */
  readonly connections?: number;
  /** For an answer that is no stream, in milliseconds. */
  readonly timeoutMs?: number;
};

type Variables = Readonly<Record<string, unknown>>;

/**
 * Speaks GraphQL over HTTP with a server.
 *
 * Errors: every method throws `Failure`: exit code 3 when the server cannot be reached or cannot serve, 2 for a bad value, else 1.
 */
export class Client {
  readonly url: string;
  readonly #endpoint: string;
  readonly #agent: Agent;
  readonly #timeoutMs: number;

  constructor(url: string, { connections = 8, timeoutMs = 30_000 }: ClientOptions = {}) {
    this.url = url.replace(/\/+$/, '');
    this.#endpoint = `${this.url}/graphql`;
    this.#timeoutMs = timeoutMs;
    this.#agent = new Agent({ connections, connectTimeout: 5_000 });
  }

  async execute<Data>(document: string, variables: Variables = {}, idempotencyKey?: string): Promise<Data> {
    const { statusCode, headers, body } = await this.#post(document, variables, {
      accept: 'application/graphql-response+json, application/json',
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    });
    const answer = await this.#json(statusCode, headers, body);
    if (answer.errors) throw failureOf(answer.errors);
    return answer.data as Data;
  }

  /** The results of a subscription until it is complete or `signal` aborts. */
  async *subscribe<Data>(document: string, variables: Variables = {}, signal?: AbortSignal): AsyncGenerator<Data> {
    const { statusCode, headers, body } = await this.#post(
      document,
      variables,
      { accept: 'text/event-stream' },
      signal,
    );
    if (!String(headers['content-type']).startsWith('text/event-stream')) {
      const answer = await this.#json(statusCode, headers, body);
      throw answer.errors ? failureOf(answer.errors) : notBaton(this.url, statusCode, String(headers['content-type']));
    }
    body.on('error', () => {}); // what follows once it is left is of no interest
    try {
      for await (const { event, data } of serverSentEvents(body)) {
        if (event === 'complete') return;
        if (event !== 'next') continue;
        const answer = Answer.parse(JSON.parse(data));
        if (answer.errors) throw failureOf(answer.errors);
        yield answer.data as Data;
      }
    } catch (error) {
      if (signal?.aborted === true) return;
      throw error instanceof Failure ? error : notThere(this.url, error);
    } finally {
      body.destroy();
    }
    throw unreachable(`the server at ${this.url} ended the stream`, 'run the command again to go on watching');
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #post(
    query: string,
    variables: Variables,
    headers: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const isStream = headers['accept'] === 'text/event-stream';
    try {
      return await request(this.#endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ query, variables }),
        dispatcher: this.#agent,
        headersTimeout: this.#timeoutMs,
        bodyTimeout: isStream ? 0 : this.#timeoutMs,
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      throw notThere(this.url, error);
    }
  }

  async #json(
    status: number,
    headers: Dispatcher.ResponseData['headers'],
    body: Dispatcher.ResponseData['body'],
  ): Promise<z.output<typeof Answer>> {
    let text: string;
    try {
      text = await body.text();
    } catch (error) {
      throw notThere(this.url, error);
    }
    try {
      return Answer.parse(JSON.parse(text));
    } catch {
      throw notBaton(this.url, status, String(headers['content-type'] ?? '')); // no JSON, or none of GraphQL's
    }
  }
}
