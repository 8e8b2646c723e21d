import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type {
  ExecutionArgs,
  ExecutionResult,
  FormattedExecutionResult,
  GraphQLError,
  GraphQLFormattedError,
} from 'graphql';
import { CloseCode, type Context, handleProtocols, makeServer, type SubscribePayload } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import { EdgeError, toGraphQLError } from '../errors.ts';
import { scanJson } from '../json-scanner.ts';
import { graphqlParams } from './request.ts';
import { GRAPHQL_PATH, type GraphQLServer } from './yoga.ts';

const MAX_MESSAGE_BYTES = 64 * 1024;
const MAX_SUBSCRIPTIONS_PER_SOCKET = 100;
const MAX_SOCKETS = 2_000;
/** Messages a client may send: this many at once, and as many per second in the long run. */
const MESSAGE_BURST = 200;
const MESSAGES_PER_SECOND = 100;
const PING_INTERVAL_MS = 15_000;

const POLICY_VIOLATION = 1008;
const GOING_AWAY = 1001;
const TRY_AGAIN_LATER = 1013;
const UNSUPPORTED_DATA = 1003;

type Extra = { readonly socket: WebSocket; readonly request: IncomingMessage };

export type WebSocketOptions = {
  readonly graphql: GraphQLServer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly isOwnHost: (request: IncomingMessage) => boolean;
};

/** A page of another site may open a socket to us, but not without saying so. */
const isForeign = ({ headers }: IncomingMessage): boolean => {
  const { origin, host } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
};

const refuse = (socket: Duplex, status: string): void => {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
};

const withoutHttp = (error: GraphQLFormattedError): GraphQLFormattedError => {
  const { http: _, ...extensions } = error.extensions ?? {};
  return { ...error, extensions };
};

type Result = {
  readonly data?: ExecutionResult['data'] | undefined;
  readonly extensions?: ExecutionResult['extensions'] | undefined;
};

const formatted = (errors: readonly GraphQLError[], { data, extensions }: Result): FormattedExecutionResult => ({
  errors: errors.map((error) => withoutHttp(error.toJSON())),
  ...(data === undefined ? {} : { data }),
  ...(extensions === undefined ? {} : { extensions }),
});

/** Takes from a bucket that fills with time; false when it is empty. */
const messageBudget = (clock: Clock): (() => boolean) => {
  let left = MESSAGE_BURST;
  let last = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    left = Math.min(MESSAGE_BURST, left + ((now - last) / 1_000) * MESSAGES_PER_SECOND);
    last = now;
    left -= 1;
    return left >= 0;
  };
};

const requestOf = ({ url = GRAPHQL_PATH, headers }: IncomingMessage): Request => {
  const entries = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]);
  // As by POST: mutations are welcome, the socket was opened from our own pages or by a program.
  return new Request(new URL(url, 'http://websocket'), { method: 'POST', headers: entries });
};

type Enveloped = ReturnType<GraphQLServer['getEnveloped']>;
type Operation = ExecutionArgs & Pick<Enveloped, 'execute' | 'subscribe'>;

/** GraphQL over WebSocket (protocol graphql-transport-ws), through the same checks as over HTTP. */
export class GraphQLSockets {
  readonly #options: WebSocketOptions;
  readonly #sockets: WebSocketServer;
  readonly #protocol: ReturnType<typeof makeServer<Record<string, unknown> | undefined, Extra>>;
  readonly #stopping = new AbortController();

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#sockets = new WebSocketServer({
      noServer: true,
      maxPayload: MAX_MESSAGE_BYTES,
      perMessageDeflate: false,
      handleProtocols,
    });
    this.#protocol = makeServer<Record<string, unknown> | undefined, Extra>({
      onSubscribe: (context, _id, payload) => this.#prepare(context, payload),
      execute: (args) => this.#answered(() => (args as Operation).execute(args)),
      subscribe: (args) => this.#answered(() => (args as Operation).subscribe(args)),
      onNext: (_context, _id, _payload, _args, result) =>
        result.errors ? formatted(result.errors, result) : undefined,
      onError: (_context, _id, _payload, errors) =>
        errors.map((error) => withoutHttp(toGraphQLError(error, options.logger).toJSON())),
    });
  }

  attach(server: Server): void {
    server.on('upgrade', (request, socket, head) => {
      const path = request.url?.split('?', 1)[0];
      if (path !== GRAPHQL_PATH) return refuse(socket, '404 Not Found');
      if (isForeign(request) || !this.#options.isOwnHost(request)) return refuse(socket, '403 Forbidden');
      if (this.#stopping.signal.aborted || this.#sockets.clients.size >= MAX_SOCKETS)
        return refuse(socket, '503 Service Unavailable');
      this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#opened({ socket: ws, request }));
    });
  }

  close(): void {
    this.#stopping.abort();
    for (const socket of this.#sockets.clients) socket.close(GOING_AWAY, 'going away');
    this.#sockets.close();
  }

  #opened({ socket, request }: Extra): void {
    const { clock, logger } = this.#options;
    const mayGoOn = messageBudget(clock);
    const closed = this.#protocol.opened(
      {
        protocol: socket.protocol,
        // Resolves when the bytes have left: a reader that does not read holds its subscription back.
        send: (data) =>
          new Promise((resolve) => {
            if (socket.readyState === socket.OPEN) socket.send(data, () => resolve());
            else resolve();
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', (data, isBinary) => {
            if (!mayGoOn()) return socket.close(POLICY_VIOLATION, 'too many messages');
            if (isBinary) return socket.close(UNSUPPORTED_DATA, 'text is expected');
            this.#receive(socket, String(data), handle).catch((error: unknown) => {
              logger.error({ err: error }, 'a WebSocket message failed');
              socket.close(CloseCode.InternalServerError, 'internal error');
            });
          }),
      },
      { socket, request },
    );
    socket.on('ping', () => {
      if (!mayGoOn()) socket.close(POLICY_VIOLATION, 'too many messages');
    });
    socket.on('error', (error) => logger.debug({ err: error }, 'a WebSocket failed'));
    const gone = new AbortController();
    socket.once('close', (code, reason) => {
      gone.abort();
      void closed(code, String(reason));
    });
    void this.#keepAlive(socket, gone.signal);
  }

  async #receive(socket: WebSocket, text: string, handle: (data: string) => Promise<void>): Promise<void> {
    try {
      scanJson(text);
    } catch (error) {
      if (!(error instanceof EdgeError)) throw error;
      return socket.close(CloseCode.BadRequest, error.code);
    }
    await handle(text);
  }

  /** A peer that is gone without a word is found out, and what it followed is given up. */
  async #keepAlive(socket: WebSocket, gone: AbortSignal): Promise<void> {
    let alive = true;
    socket.on('pong', () => {
      alive = true;
    });
    while (!gone.aborted) {
      await sleep(this.#options.clock, PING_INTERVAL_MS, gone);
      if (gone.aborted) return;
      if (!alive) return socket.terminate();
      alive = false;
      socket.ping();
    }
  }

  async #prepare(context: Context<Record<string, unknown> | undefined, Extra>, payload: SubscribePayload) {
    try {
      return await this.#operation(context, payload);
    } catch (error) {
      return [toGraphQLError(error, this.#options.logger)];
    }
  }

  async #operation(
    { subscriptions, extra }: Context<Record<string, unknown> | undefined, Extra>,
    payload: SubscribePayload,
  ): Promise<Operation | readonly GraphQLError[]> {
    const limit = MAX_SUBSCRIPTIONS_PER_SOCKET;
    if (Object.keys(subscriptions).length > limit)
      throw new EdgeError('LIMIT_SUBSCRIPTIONS', `at most ${limit} operations at a time on one socket`, { limit });
    const params = graphqlParams(payload);
    const request = requestOf(extra.request);
    const cutOff = (): void => extra.socket.close(TRY_AGAIN_LATER, 'slow reader: go on from the last position you had');
    const { schema, parse, validate, contextFactory, execute, subscribe } = this.#options.graphql.getEnveloped({
      request,
      params,
    });
    const document = parse(params.query ?? '');
    const errors = validate(schema, document) as readonly GraphQLError[];
    if (errors.length > 0) return errors;
    const made = (await contextFactory()) as object;
    return {
      schema,
      document,
      operationName: params.operationName ?? null,
      variableValues: params.variables ?? {},
      contextValue: { ...made, onCutOff: cutOff },
      execute,
      subscribe,
    };
  }

  /** What is refused only when the operation is run is an answer too. */
  async #answered<Result>(run: () => Result): Promise<Awaited<Result> | { errors: GraphQLError[] }> {
    try {
      return await run();
    } catch (error) {
      return { errors: [toGraphQLError(error, this.#options.logger)] };
    }
  }
}
