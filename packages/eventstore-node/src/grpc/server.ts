import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Access, Caller } from '../access/access.ts';
import { Call, toGrpcError } from './call.ts';
import { DEFAULT_KEEP_ALIVE, type KeepAlive, keepAlive } from './keep-alive.ts';
import { GrpcError, Status } from './status.ts';

/** Handles a new call: sets the callbacks it needs and returns. */
type CallHandler = (call: Call) => void;

/** Full method path, `/package.Service/Method`, to its handler. */
export type Methods = ReadonlyMap<string, CallHandler>;

/** Room for many parallel large appends on one connection; the default of 10 MB resets streams under load. */
const MAX_SESSION_MEMORY_MB = 256;
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 16 * 1024 * 1024;
/** Who connects to a TLS port and does not finish the handshake is let go after this. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

export type GrpcServerOptions = {
  /** Served over TLS with this certificate, each as PEM; in plaintext without. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly keepAlive?: KeepAlive | undefined;
};

export type ConnectionCounts = {
  readonly open: number;
  /** Calls that are not over, on all of them. */
  readonly calls: number;
  /** Since the start: connections that broke, or that spoke something else than HTTP/2 (over TLS, where it is on). */
  readonly failed: number;
};

/** gRPC over HTTP/2 with its own framing, at a third of the processor time of a general gRPC server. */
export class GrpcServer {
  readonly #http: Http2Server | Http2SecureServer;
  /** Every connection, also one whose handshake is not done. */
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #calls = new Set<Call>();
  readonly #proven = new WeakMap<Http2Session, { readonly authorization: string; readonly caller: Caller }>();
  readonly #keepAlive: KeepAlive;
  #failed = 0;
  readonly #methods: Methods;
  readonly #access: Access;

  constructor(
    methods: Methods,
    access: Access,
    { tls, keepAlive: timing = DEFAULT_KEEP_ALIVE }: GrpcServerOptions = {},
  ) {
    this.#methods = methods;
    this.#access = access;

    const http2 = { maxSessionMemory: MAX_SESSION_MEMORY_MB, settings: { initialWindowSize: STREAM_WINDOW } };
    this.#keepAlive = timing;
    this.#http = tls
      ? createSecureServer({ ...http2, ...tls, handshakeTimeout: HANDSHAKE_TIMEOUT_MS })
      : createServer(http2);
    const broken = () => {
      this.#failed++;
    };
    this.#http.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#http.on('session', (session) => this.#track(session));
    this.#http.on('stream', (stream, headers) => this.#accept(stream, headers));
    this.#http.on('sessionError', broken); // the session's streams report it to their calls
    this.#http.on('tlsClientError', broken);
    this.#http.on('error', broken); // a connection that could not be accepted
  }

  get connections(): ConnectionCounts {
    return { open: this.#sockets.size, calls: this.#calls.size, failed: this.#failed };
  }

  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen(port, host, resolve);
    });
    return (this.#http.address() as AddressInfo).port;
  }

  /** Stops accepting, fails what is open with UNAVAILABLE, and drops connections that do not close in time. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const call of this.#calls) call.fail(new GrpcError(Status.unavailable, 'the node is shutting down'));
    for (const session of this.#sessions) session.close();
    const timer = setTimeout(() => {
      for (const session of this.#sessions) session.destroy();
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(timer);
  }

  #track(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.setLocalWindowSize(CONNECTION_WINDOW);
    keepAlive(session, this.#keepAlive);
    session.on('close', () => this.#sessions.delete(session));
  }

  #accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const path = headers[':path'] ?? '';
    const caller = this.#identify(stream.session, headers);
    const call = new Call(stream, headers, caller instanceof GrpcError ? 'anonymous' : caller);
    this.#calls.add(call);
    const handler = caller instanceof GrpcError ? undefined : this.#methods.get(path);
    handler?.(call);
    call.start(() => this.#calls.delete(call));
    if (caller instanceof GrpcError) call.fail(caller);
    else if (!handler) call.fail(new GrpcError(Status.unimplemented, `${path} is not implemented by this node`));
  }

  /** A user who has authenticated on this connection is recognised by the same credentials, without another check. */
  #identify(session: Http2Session | undefined, headers: IncomingHttpHeaders): Caller | GrpcError {
    const { authorization } = headers;
    const known = authorization !== undefined && session && this.#proven.get(session);
    if (known && known.authorization === authorization) return known.caller;
    try {
      const caller = this.#access.identify(headers);
      if (authorization !== undefined && session) this.#proven.set(session, { authorization, caller });
      return caller;
    } catch (error) {
      return toGrpcError(error);
    }
  }
}
