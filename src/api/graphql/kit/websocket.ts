import type { IncomingMessage } from 'node:http';
import type { ExecutionArgs, GraphQLError } from 'graphql';
import { CloseCode, type Context, handleProtocols, makeServer, type SubscribePayload } from 'graphql-ws';
import type { WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../../../platform/clock.ts';
import { MAX_ISSUES } from '../../../platform/errors.ts';
import type { Logger } from '../../../platform/logger.ts';
import { scanJson } from '../../edge/json-scanner.ts';
import { EdgeError } from '../../errors.ts';
import { CLOSE, closeAll, createSocketServer, guarded, sent } from '../../ws/guards.ts';
import type { SocketEndpoint, Upgrade } from '../../ws/upgrades.ts';
import { toGraphQLError } from './errors.ts';
import { formatted, withoutHttp } from './formatted.ts';
import { graphqlParams } from './request.ts';
import { GRAPHQL_PATH, type GraphQLServer } from './yoga.ts';

const MAX_SUBSCRIPTIONS_PER_SOCKET = 100;

type Extra = {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  /** Aborts when the socket has closed. */
  readonly gone: AbortSignal;
};

export type WebSocketOptions = {
  readonly graphql: GraphQLServer;
  readonly clock: Clock;
  readonly logger: Logger;
};

const requestOf = ({ request: { url = GRAPHQL_PATH, headers }, gone }: Extra): Request => {
  const entries = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]);
  // As for POST, mutations are allowed: the socket was opened by our own pages or by a program.
  return new Request(new URL(url, 'http://websocket'), { method: 'POST', headers: entries, signal: gone });
};

type Enveloped = ReturnType<GraphQLServer['getEnveloped']>;
type Operation = ExecutionArgs & Pick<Enveloped, 'execute' | 'subscribe'>;

/** GraphQL over WebSocket (protocol graphql-transport-ws), through the same checks as over HTTP. */
export class GraphQLSockets implements SocketEndpoint {
  readonly #options: WebSocketOptions;
  readonly #sockets: WebSocketServer;
  readonly #protocol: ReturnType<typeof makeServer<Record<string, unknown> | undefined, Extra>>;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#sockets = createSocketServer({ handleProtocols });
    this.#protocol = makeServer<Record<string, unknown> | undefined, Extra>({
      onSubscribe: (context, _id, payload) => this.#prepare(context, payload),
      execute: (args) => this.#answered(() => (args as Operation).execute(args)),
      subscribe: (args) => this.#answered(() => (args as Operation).subscribe(args)),
      onNext: (_context, _id, _payload, _args, result) =>
        result.errors ? formatted(result.errors, result) : undefined,
      onError: (_context, _id, _payload, errors) =>
        errors.slice(0, MAX_ISSUES).map((error) => withoutHttp(toGraphQLError(error, options.logger))),
    });
  }

  serves(path: string): boolean {
    return path === GRAPHQL_PATH;
  }

  get size(): number {
    return this.#sockets.clients.size;
  }

  open({ request, socket, head }: Upgrade): void {
    this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#opened(ws, request));
  }

  close(): void {
    closeAll(this.#sockets);
  }

  #opened(socket: WebSocket, request: IncomingMessage): void {
    const leaving = new AbortController();
    const { logger } = this.#options;
    const { mayContinue } = guarded(socket, this.#options);
    const closed = this.#protocol.opened(
      {
        protocol: socket.protocol,
        send: (data) => sent(socket, data),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', (data, isBinary) => {
            if (!mayContinue()) return;
            if (isBinary) return socket.close(CLOSE.unsupportedData, 'send text frames');
            this.#receive(socket, String(data), handle).catch((error: unknown) => {
              logger.error({ err: error }, 'a WebSocket message failed');
              socket.close(CloseCode.InternalServerError, 'internal error');
            });
          }),
      },
      { socket, request, gone: leaving.signal },
    );
    socket.once('close', (code, reason) => {
      leaving.abort();
      closed(code, String(reason));
    });
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
      throw new EdgeError('LIMIT_SUBSCRIPTIONS', `one socket carries at most ${limit} operations at a time`, { limit });
    const params = graphqlParams(payload);
    const request = requestOf(extra);
    const cutOff = (): void =>
      extra.socket.close(CLOSE.tryAgainLater, 'slow reader: resume from the last position you received');
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

  /** Turns what an operation throws when it runs into an answer. */
  async #answered<Result>(run: () => Result): Promise<Awaited<Result> | { errors: GraphQLError[] }> {
    try {
      return await run();
    } catch (error) {
      return { errors: [toGraphQLError(error, this.#options.logger)] };
    }
  }
}
