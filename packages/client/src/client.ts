import { dataOf } from './answer.ts';
import type { TypedDocument } from './document.ts';
import { BatonError } from './error.ts';
import { serverSentEvents } from './server-sent-events.ts';

export type FetchRequest = {
  readonly method: 'POST';
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly signal?: AbortSignal;
};

export type FetchResponse = {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: AsyncIterable<Uint8Array> | null;
  text(): Promise<string>;
};

/** The part of `fetch` that the client needs. */
export type Fetch = (url: string, request: FetchRequest) => Promise<FetchResponse>;

export type ClientOptions = {
  /** Address of the server, such as `http://127.0.0.1:4000`. */
  readonly url: string;
  /** For connection pools, timeouts, proxies and tests; the global `fetch` when absent. */
  readonly fetch?: Fetch;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
};

export type CallOptions = { readonly signal?: AbortSignal };

/** Talks GraphQL with one server. Errors: every method throws `BatonError`, or the reason of an aborted `signal`. */
export type Client = {
  readonly url: string;
  /** Runs a query or a mutation. */
  execute<Data, Variables>(
    document: TypedDocument<Data, Variables>,
    variables: NoInfer<Variables>,
    options?: CallOptions,
  ): Promise<Data>;
  /** The results of a subscription, over server-sent events, until the server completes it or `signal` aborts. */
  subscribe<Data, Variables>(
    document: TypedDocument<Data, Variables>,
    variables: NoInfer<Variables>,
    options?: CallOptions,
  ): AsyncGenerator<Data, void, undefined>;
};

const EVENT_STREAM = 'text/event-stream';

/** What a client knows of its server. */
type Server = { readonly url: string; readonly fetch: Fetch; readonly headers: Readonly<Record<string, string>> };

const unreachable = (url: string, cause: unknown): BatonError =>
  new BatonError('UNREACHABLE', `${url} does not answer: ${(cause as Error).message}`, { url, cause });

const notBaton = (url: string, { status, headers }: FetchResponse): BatonError =>
  new BatonError(
    'NOT_BATON',
    `${url} is not a Baton server (HTTP ${status}, ${headers.get('content-type') ?? 'no content type'})`,
    { url },
  );

/** Runs a part of a call: what fails in it is the connection, unless the caller gave it up. */
const connected = async <Result>(
  { url }: Server,
  { signal }: CallOptions,
  work: () => Promise<Result>,
): Promise<Result> => {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    throw unreachable(url, error);
  }
};

const post = (server: Server, accept: string, body: string, options: CallOptions): Promise<FetchResponse> =>
  connected(server, options, () =>
    server.fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...server.headers, accept },
      body,
      ...options,
    }),
  );

const answerOf = async (server: Server, response: FetchResponse, options: CallOptions): Promise<unknown> => {
  const text = await connected(server, options, () => response.text());
  const data = dataOf(text, server.url);
  if (data === undefined) throw notBaton(server.url, response);
  return data;
};

/** Errors: that of the connection, when it breaks before the server has completed the subscription. */
async function* resultsOf(url: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void, undefined> {
  for await (const { event, data } of serverSentEvents(body)) {
    if (event === 'complete') return;
    if (event === 'next') yield dataOf(data, url);
  }
  throw new BatonError('STREAM_ENDED', `${url} ended the subscription without completing it`, { url });
}

async function* subscribed(
  server: Server,
  body: string,
  options: CallOptions,
): AsyncGenerator<unknown, void, undefined> {
  const { signal } = options;
  const { url } = server;
  const response = await post(server, EVENT_STREAM, body, options);
  const isStream = response.headers.get('content-type')?.startsWith(EVENT_STREAM) === true;
  if (!isStream || response.body === null) {
    await answerOf(server, response, options); // throws the error that it holds
    throw notBaton(url, response);
  }
  try {
    yield* resultsOf(url, response.body);
  } catch (error) {
    if (signal?.aborted === true) return;
    throw error instanceof BatonError ? error : unreachable(url, error);
  }
}

/** A client of the server at `url`. */
export const createClient = ({ url: address, fetch = globalThis.fetch, headers = {} }: ClientOptions): Client => {
  const url = address.replace(/\/+$/, '');
  const server: Server = { url, fetch, headers };
  const bodyOf = (document: TypedDocument<unknown, never>, variables: unknown): string =>
    JSON.stringify({ query: String(document), variables });
  return {
    url,
    execute: async (document, variables, options = {}) => {
      const response = await post(
        server,
        'application/graphql-response+json, application/json',
        bodyOf(document, variables),
        options,
      );
      return (await answerOf(server, response, options)) as never;
    },
    subscribe: (document, variables, options = {}) => subscribed(server, bodyOf(document, variables), options) as never,
  };
};
