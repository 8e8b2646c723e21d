import type { Readable } from 'node:stream';
import { badResponse } from '../transports/transport.ts';

/** One line of an event stream; the client's own limit for an event is the same. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

const NEWLINE = 0x0a;

/** The line that has begun, in one buffer: millions of tiny pieces take no more memory than their bytes, and linear time. */
class OpenLine {
  #room = Buffer.alloc(0);
  #bytes = 0;

  add(piece: Buffer): void {
    const bytes = this.#bytes + piece.length;
    if (bytes > MAX_LINE_BYTES)
      throw badResponse('AGENT_RESPONSE_TOO_LARGE', `a line of the stream has more than ${MAX_LINE_BYTES} bytes`);
    if (bytes > this.#room.length) {
      const room = Buffer.alloc(2 * bytes);
      this.#room.copy(room, 0, 0, this.#bytes);
      this.#room = room;
    }
    piece.copy(this.#room, this.#bytes);
    this.#bytes = bytes;
  }

  take(): Buffer {
    const line = this.#room.subarray(0, this.#bytes);
    this.#room = Buffer.alloc(0);
    this.#bytes = 0;
    return line;
  }
}

/** The bytes of `body` in pieces that end with a line, however small the pieces are in which they come. */
async function* wholeLines(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const open = new OpenLine();
  for await (const chunk of body) {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) yield Buffer.concat([open.take(), chunk.subarray(0, end)]);
    open.add(chunk.subarray(end));
  }
  yield open.take();
}

/**
 * An agent's event stream for the A2A client, which searches all that it has of a line again with each piece of it: one long line in
 * small pieces would take quadratic time.
 *
 * Whatever fails reaches the reader of the stream. Nothing is done in listeners: what they throw ends the process.
 */
export const lineStreamOf = (body: Readable): ReadableStream<Uint8Array> => {
  // The reader gets the error; a stream without a listener would throw it.
  body.on('error', () => {});
  const lines = wholeLines(body);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await lines.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel() {
      body.destroy();
    },
  });
};
