import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Caller } from '../access/access.ts';
import { MalformedMessage } from '../protobuf/reader.ts';
import { DamagedLog } from '../storage/log.ts';
import { Deframer, framed } from './deframer.ts';
import { asciiValue, GrpcError, Status, type StatusCode, statusMessage } from './status.ts';

const RESPONSE_HEADERS = { ':status': 200, 'content-type': 'application/grpc' } as const;

/** Longer timers fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Units of the `grpc-timeout` header, in ms. */
const TIMEOUT_UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/**
 * One gRPC call on its HTTP/2 stream. A service sets the callbacks it cares about while it is handed the call;
 * each is called with errors translated: what a callback throws ends the call.
 */
export class Call {
  onMessage: (message: Buffer) => void = () => {};
  onHalfClose: () => void = () => {};
  onDrain: () => void = () => {};
  /** The call has ended, for any reason; a client that does not read may still keep its stream open. Called once. */
  onClose: () => void = () => {};
  #responded = false;
  #over = false;
  #timer: NodeJS.Timeout | undefined;
  #trailers: Record<string, string> = {};
  readonly #stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly caller: Caller;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, caller: Caller) {
    this.#stream = stream;
    this.headers = headers;
    this.caller = caller;
  }

  /** Attaches to the stream; the callbacks are in place by now. `closed` is called when the stream is closed. */
  start(closed: () => void): void {
    const deframer = new Deframer((message) => {
      if (!this.#over) this.onMessage(message);
    });
    this.#timer = this.#startTimer();
    this.#stream.on('data', (chunk: Buffer) => {
      if (!this.#over) this.#guard(() => deframer.push(chunk));
    });
    this.#stream.on('end', () => this.#halfClosed(deframer));
    this.#stream.on('drain', () => this.#guard(this.onDrain));
    this.#stream.on('wantTrailers', () => {
      if (!this.#stream.destroyed) this.#stream.sendTrailers(this.#trailers);
    });
    this.#stream.on('error', () => {}); // a reset by the peer; 'close' follows and does the work
    this.#stream.on('close', () => {
      this.#close();
      closed();
    });
  }

  /** Address and port of the client. */
  get peer(): string {
    const socket = this.#stream.session?.socket;
    return socket ? `${socket.remoteAddress}:${socket.remotePort}` : '';
  }

  get ended(): boolean {
    return this.#over;
  }

  /** When the client stops waiting, in ms since the epoch; Infinity if it never does. */
  deadlineMs(now: number): number {
    const match = /^(\d{1,8})([HMSmun])$/.exec(String(this.headers['grpc-timeout'] ?? ''));
    return match ? now + Number(match[1]) * (TIMEOUT_UNITS[match[2] as string] as number) : Number.POSITIVE_INFINITY;
  }

  /** Sends framed messages. False asks to wait for `onDrain` before the next write. */
  write(frames: Buffer): boolean {
    if (this.#isGone) return true;
    this.#respond();
    return this.#stream.write(frames);
  }

  writeMessage(message: Buffer): boolean {
    return this.write(framed(message));
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  end(): void {
    this.#finish(Status.ok, '', {});
  }

  fail(error: GrpcError): void {
    this.#finish(error.code, error.message, error.trailers);
  }

  /**
   * The end of the request, or of a cancelled one: Node's HTTP/2 client ends its side before it resets the stream, and
   * a cancelled call must not be mistaken for a complete one. The reset is read in this turn and reported in the next.
   */
  #halfClosed(deframer: Deframer): void {
    setImmediate(() =>
      setImmediate(() => {
        if (this.#isGone) return;
        if (deframer.isPartial) this.fail(new GrpcError(Status.internal, 'Incomplete message.'));
        else this.#guard(this.onHalfClose);
      }),
    );
  }

  /** Ends the call when the client has stopped waiting: it may have vanished without closing. */
  #startTimer(): NodeJS.Timeout | undefined {
    const timeoutMs = this.deadlineMs(0);
    if (timeoutMs > MAX_TIMER_MS) return undefined;
    return setTimeout(() => this.fail(new GrpcError(Status.deadlineExceeded, 'Deadline Exceeded')), timeoutMs);
  }

  /** Nothing can be sent any more: ended by us, or closed by the peer a moment before we learn of it. */
  get #isGone(): boolean {
    return this.#over || this.#stream.destroyed || this.#stream.closed;
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.fail(toGrpcError(error));
    }
  }

  #respond(): void {
    if (this.#responded) return;
    this.#responded = true;
    this.#stream.respond(RESPONSE_HEADERS, { waitForTrailers: true });
  }

  #finish(code: StatusCode, message: string, facts: Readonly<Record<string, string>>): void {
    if (this.#isGone) return;
    this.#trailers = { 'grpc-status': String(code) };
    if (message) this.#trailers['grpc-message'] = statusMessage(message);
    for (const [name, value] of Object.entries(facts)) this.#trailers[name] = asciiValue(value);
    if (this.#responded) {
      this.#stream.end();
    } else {
      this.#responded = true;
      this.#stream.respond({ ...RESPONSE_HEADERS, ...this.#trailers }, { endStream: true });
    }
    this.#close();
    this.#stream.resume(); // what the client still sends is dropped, so that the stream can close
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.onClose();
  }
}

/** What the client learns about an error; only our own messages leave the node. */
export const toGrpcError = (error: unknown): GrpcError => {
  if (error instanceof GrpcError) return error;
  if (error instanceof DamagedLog) return new GrpcError(Status.dataLoss, error.message);
  if (error instanceof MalformedMessage) return new GrpcError(Status.internal, `malformed request: ${error.message}`);
  return new GrpcError(Status.unknown, 'Exception was thrown by handler.');
};
