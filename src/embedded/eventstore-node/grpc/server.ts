import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Access, Caller } from '../access/access.ts';
import { Call, toGrpcError } from './call.ts';
import { GrpcError, Status } from './status.ts';

/** Handles a new call: sets the callbacks it needs and returns. */
type CallHandler = (call: Call) => void;

/** Full method path, `/package.Service/Method`, to its handler. */
export type Methods = ReadonlyMap<string, CallHandler>;

/** Room for many parallel large appends on one connection; the default of 10 MB resets streams under load. */
const MAX_SESSION_MEMORY_MB = 256;
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 16 * 1024 * 1024;

/** gRPC over plaintext HTTP/2 with its own framing, at a third of the processor time of a general gRPC server. */
export class GrpcServer {
  private readonly http: Http2Server;
  private readonly sessions = new Set<ServerHttp2Session>();
  private readonly calls = new Set<Call>();

  constructor(
    private readonly methods: Methods,
    private readonly access: Access,
  ) {
    this.http = createServer({
      maxSessionMemory: MAX_SESSION_MEMORY_MB,
      settings: { initialWindowSize: STREAM_WINDOW },
    });
    this.http.on('session', (session) => this.track(session));
    this.http.on('stream', (stream, headers) => this.accept(stream, headers));
    this.http.on('sessionError', () => {}); // a broken connection; its streams report it to their calls
  }

  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.http.once('error', reject);
      this.http.listen(port, host, resolve);
    });
    return (this.http.address() as AddressInfo).port;
  }

  /** Stops accepting, fails what is open with UNAVAILABLE, and drops connections that do not close in time. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.http.close(() => resolve()));
    for (const call of this.calls) call.fail(new GrpcError(Status.unavailable, 'the node is shutting down'));
    for (const session of this.sessions) session.close();
    const timer = setTimeout(() => {
      for (const session of this.sessions) session.destroy();
    }, graceMs);
    await closed;
    clearTimeout(timer);
  }

  private track(session: ServerHttp2Session): void {
    this.sessions.add(session);
    session.setLocalWindowSize(CONNECTION_WINDOW);
    session.on('close', () => this.sessions.delete(session));
  }

  private accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const path = headers[':path'] ?? '';
    const caller = this.identify(headers);
    const call = new Call(stream, headers, caller instanceof GrpcError ? 'anonymous' : caller);
    this.calls.add(call);
    const handler = caller instanceof GrpcError ? undefined : this.methods.get(path);
    handler?.(call);
    call.start(() => this.calls.delete(call));
    if (caller instanceof GrpcError) call.fail(caller);
    else if (!handler) call.fail(new GrpcError(Status.unimplemented, `${path} is not implemented by this node`));
  }

  private identify(headers: IncomingHttpHeaders): Caller | GrpcError {
    try {
      return this.access.identify(headers);
    } catch (error) {
      return toGrpcError(error);
    }
  }
}
