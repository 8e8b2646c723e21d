/** The bytes do not form the expected protobuf message. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

/** Represents -1, and so the end, where the protocol has only unsigned numbers. */
export const MAX_U64 = 18446744073709551615n;

const TWO_28 = 2 ** 28;

/**
 * Walks the fields of one protobuf message without copying: `while (reader.next()) switch (reader.field) …`.
 * After `delimited()` the value lies at `buffer[start, stop)`. `next()` skips what the caller does not read.
 */
export class ProtoReader {
  field = 0;
  start = 0;
  stop = 0;
  #wire = 0;
  #consumed = true;
  readonly buffer: Buffer;
  #at: number;
  readonly #end: number;

  constructor(buffer: Buffer, at = 0, end = buffer.length) {
    this.buffer = buffer;
    this.#at = at;
    this.#end = end;
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (!this.#consumed) this.#skip();
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.#wire = tag & 7;
    this.#consumed = false;
    return true;
  }

  /** A varint as a number, exact up to 2^53. */
  uint(): number {
    this.#expect(0);
    return this.#varint();
  }

  bool(): boolean {
    return this.uint() !== 0;
  }

  /** A varint as an exact unsigned 64-bit value. */
  uint64(): bigint {
    this.#expect(0);
    const from = this.#at;
    const low = this.#varint();
    if (this.#at - from <= 7) return BigInt(low);
    let value = 0n;
    for (let i = this.#at - 1; i >= from; i--) value = (value << 7n) | BigInt((this.buffer[i] as number) & 0x7f);
    return BigInt.asUintN(64, value);
  }

  /** A varint in zigzag form: `sint64`. */
  sint64(): bigint {
    const value = this.uint64();
    return (value >> 1n) ^ -(value & 1n);
  }

  double(): number {
    this.#expect(1);
    this.#at += 8;
    if (this.#at > this.#end) throw new MalformedMessage('a number reaches past the end of its message');
    return this.buffer.readDoubleLE(this.#at - 8);
  }

  /** Sets `start` and `stop` to the bounds of a length-delimited value. */
  delimited(): this {
    this.#expect(2);
    const length = this.#varint();
    this.start = this.#at;
    this.stop = this.#at + length;
    if (this.stop > this.#end) throw new MalformedMessage('a field reaches past the end of its message');
    this.#at = this.stop;
    return this;
  }

  /** A view of the value, not a copy. */
  bytes(): Buffer {
    this.delimited();
    return this.buffer.subarray(this.start, this.stop);
  }

  text(): string {
    this.delimited();
    return this.buffer.toString('utf8', this.start, this.stop);
  }

  message(): ProtoReader {
    this.delimited();
    return new ProtoReader(this.buffer, this.start, this.stop);
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) throw new MalformedMessage(`field ${this.field} has wire type ${this.#wire}, not ${wire}`);
    this.#consumed = true;
  }

  #skip(): void {
    this.#consumed = true;
    if (this.#wire === 0) this.#varint();
    else if (this.#wire === 1) this.#at += 8;
    else if (this.#wire === 5) this.#at += 4;
    else if (this.#wire === 2) this.delimited();
    else throw new MalformedMessage(`wire type ${this.#wire} is not supported`);
    if (this.#at > this.#end) throw new MalformedMessage('a field reaches past the end of its message');
  }

  #varint(): number {
    const end = this.#end;
    const { buffer } = this;
    let at = this.#at;
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      if (at >= end) throw new MalformedMessage('a number reaches past the end of its message');
      const byte = buffer[at++] as number;
      value += factor < TWO_28 ? (byte & 0x7f) << (i * 7) : (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.#at = at;
        return value;
      }
      factor *= 128;
    }
    throw new MalformedMessage('a number is longer than ten bytes');
  }
}
