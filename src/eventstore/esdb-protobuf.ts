/* As much of the protobuf encoding as the messages in `esdb-wire.ts` need. */

const DELIMITED = 2;

/** Fills a buffer from its end to its start, so that the length of a nested message is known when its header is written. */
export class BackwardWriter {
  #buffer = Buffer.allocUnsafe(65_536);
  #at = this.#buffer.length;

  /** Bytes written so far; taken before a nested message, it marks where that message ends. */
  get mark(): number {
    return this.#buffer.length - this.#at;
  }

  /** Up to 2^53. */
  uint(field: number, value: number): void {
    this.#varint(value);
    this.#varint(field * 8);
  }

  text(field: number, value: string): void {
    const length = Buffer.byteLength(value);
    this.#reserve(length);
    this.#at -= length;
    this.#buffer.write(value, this.#at, length);
    this.#head(field, length);
  }

  /** Copies bytes that are already encoded. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#at -= value.length;
    this.#buffer.set(value, this.#at);
  }

  /** Turns everything written since `mark` into one field. */
  message(field: number, mark: number): void {
    this.#head(field, this.mark - mark);
  }

  /** Discards what was written, for example a message that could not be finished. */
  start(): void {
    this.#at = this.#buffer.length;
  }

  /** A copy of what was written since `start`. */
  finish(): Buffer {
    return Buffer.from(this.#buffer.subarray(this.#at));
  }

  #head(field: number, length: number): void {
    this.#varint(length);
    this.#varint(field * 8 + DELIMITED);
  }

  #varint(value: number): void {
    let size = 1;
    for (let rest = value; rest >= 128; rest /= 128) size += 1;
    this.#reserve(size);
    this.#at -= size;
    const last = this.#at + size - 1;
    let rest = value;
    for (let at = this.#at; at < last; at += 1) {
      this.#buffer[at] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[last] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#at >= bytes) return;
    const written = this.#buffer.subarray(this.#at);
    const larger = Buffer.allocUnsafe(2 * (this.#buffer.length + bytes));
    this.#at = larger.length - written.length;
    larger.set(written, this.#at);
    this.#buffer = larger;
  }
}

/** Walks the fields of one message without copying: `while (fields.next()) switch (fields.number) …`. Unread fields are skipped. */
export class Fields {
  number = 0;
  /** Bounds of the last delimited field. */
  start = 0;
  end = 0;
  readonly #buffer: Buffer;
  #at: number;
  readonly #stop: number;
  #wire = 0;
  #pending = false;

  constructor(buffer: Buffer, start = 0, stop = buffer.length) {
    this.#buffer = buffer;
    this.#at = start;
    this.#stop = stop;
  }

  next(): boolean {
    if (this.#pending) this.#skip();
    if (this.#at >= this.#stop) return false;
    const tag = this.#varint();
    this.number = tag >>> 3;
    this.#wire = tag & 7;
    this.#pending = true;
    if (this.#wire === DELIMITED) {
      const length = this.#varint();
      this.start = this.#at;
      this.end = this.#at + length;
      if (this.end > this.#stop) throw new Error('malformed message from the event store');
      this.#at = this.end;
      this.#pending = false;
    }
    return true;
  }

  uint(): bigint {
    this.#pending = false;
    return this.#bigVarint();
  }

  text(): string {
    return this.#buffer.toString('utf8', this.start, this.end);
  }

  /** For text known to be ASCII. */
  ascii(): string {
    return this.#buffer.toString('latin1', this.start, this.end);
  }

  message(): Fields {
    return new Fields(this.#buffer, this.start, this.end);
  }

  #skip(): void {
    this.#pending = false;
    if (this.#wire === 0) while ((this.#buffer[this.#at++] ?? 0) >= 128);
    else if (this.#wire === 1) this.#at += 8;
    else if (this.#wire === 5) this.#at += 4;
    else throw new Error('malformed message from the event store');
  }

  /** Tags and lengths. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#buffer[this.#at++];
      if (byte === undefined) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 128) return value;
    }
    throw new Error('malformed message from the event store');
  }

  /** Exact to 64 bits, in two halves, because a number holds only 53. */
  #bigVarint(): bigint {
    let low = 0;
    let value = 0;
    let factor = 1;
    for (let index = 0; index < 10; index += 1) {
      const byte = this.#buffer[this.#at++];
      if (byte === undefined) break;
      if (index === 7) {
        low = value;
        value = 0;
        factor = 1;
      }
      value += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 128) return index < 7 ? BigInt(value) : (BigInt(value) << 49n) + BigInt(low);
    }
    throw new Error('malformed message from the event store');
  }
}
