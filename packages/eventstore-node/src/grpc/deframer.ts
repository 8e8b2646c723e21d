import { GrpcError, Status } from './status.ts';

/** Length of the prefix before each gRPC message: one compression flag, then the size as u32, big endian. */
export const PREFIX = 5;

/** Largest request message, as the real server accepts it. */
export const MAX_MESSAGE_SIZE = 16 * 1024 * 1024 - 10_000;

/** Cuts the bytes of an HTTP/2 stream into gRPC messages; copies only messages that arrive in several pieces. */
export class Deframer {
  #pieces: Buffer[] = [];
  #held = 0;
  #needed = PREFIX;
  readonly #onMessage: (message: Buffer) => void;

  constructor(onMessage: (message: Buffer) => void) {
    this.#onMessage = onMessage;
  }

  /** Whether the last message is still on its way. */
  get isPartial(): boolean {
    return this.#held > 0;
  }

  push(chunk: Buffer): void {
    if (this.#held === 0) {
      this.#consume(chunk);
      return;
    }
    this.#pieces.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#needed) return;
    const whole = Buffer.concat(this.#pieces, this.#held);
    this.#pieces = [];
    this.#held = 0;
    this.#consume(whole);
  }

  #consume(buffer: Buffer): void {
    let at = 0;
    while (buffer.length - at >= PREFIX) {
      const end = at + PREFIX + messageSize(buffer, at);
      if (end > buffer.length) break;
      this.#onMessage(buffer.subarray(at + PREFIX, end));
      at = end;
    }
    this.#hold(buffer, at);
  }

  #hold(buffer: Buffer, at: number): void {
    const rest = buffer.length - at;
    if (rest === 0) return;
    this.#needed = rest < PREFIX ? PREFIX : PREFIX + messageSize(buffer, at);
    this.#pieces = [buffer.subarray(at)];
    this.#held = rest;
  }
}

const messageSize = (buffer: Buffer, at: number): number => {
  if (buffer[at] !== 0) throw new GrpcError(Status.unimplemented, 'compressed messages are not supported');
  const size = buffer.readUInt32BE(at + 1);
  if (size > MAX_MESSAGE_SIZE) {
    throw new GrpcError(Status.resourceExhausted, `a message of ${size} bytes is larger than ${MAX_MESSAGE_SIZE}`);
  }
  return size;
};

/** A message with its gRPC prefix. */
export const framed = (message: Buffer): Buffer => {
  const frame = Buffer.allocUnsafe(PREFIX + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, PREFIX);
  return frame;
};
