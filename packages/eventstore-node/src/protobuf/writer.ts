/** Bytes a varint of this value takes; values up to 2^53. */
export const varintSize = (value: number): number => {
  let size = 1;
  for (let rest = value; rest >= 128; rest = rest / 128) size++;
  return size;
};

/** Writes a varint (values up to 2^53) and returns the offset after it. */
export const writeVarint = (target: Buffer, offset: number, value: number): number => {
  let at = offset;
  let rest = value;
  while (rest > 0x7fffffff) {
    target[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest > 0x7f) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
};

const EMPTY = Buffer.alloc(0);

/** Builds small messages, field by field. Event bodies are written by `storage/record.ts` instead. */
export class ProtoWriter {
  readonly #parts: Buffer[] = [];

  uint(field: number, value: number): this {
    const part = Buffer.allocUnsafe(5 + varintSize(value));
    const at = writeVarint(part, writeVarint(part, 0, field * 8), value);
    this.#parts.push(part.subarray(0, at));
    return this;
  }

  uint64(field: number, value: bigint): this {
    const bytes = [...varintBytes(BigInt(field * 8)), ...varintBytes(BigInt.asUintN(64, value))];
    this.#parts.push(Buffer.from(bytes));
    return this;
  }

  /** `sint64`: zigzag form. */
  sint64(field: number, value: bigint): this {
    return this.uint64(field, value < 0n ? -value * 2n - 1n : value * 2n);
  }

  bool(field: number, value: boolean): this {
    return this.uint(field, value ? 1 : 0);
  }

  bytes(field: number, value: Buffer): this {
    const head = Buffer.allocUnsafe(10);
    const at = writeVarint(head, writeVarint(head, 0, field * 8 + 2), value.length);
    this.#parts.push(head.subarray(0, at), value);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'));
  }

  message(field: number, value: ProtoWriter): this {
    return this.bytes(field, value.finish());
  }

  /** A set field whose message has no content. */
  empty(field: number): this {
    return this.bytes(field, EMPTY);
  }

  finish(): Buffer {
    return this.#parts.length === 1 && this.#parts[0] ? this.#parts[0] : Buffer.concat(this.#parts);
  }
}

function* varintBytes(value: bigint): Generator<number> {
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) yield Number(rest & 0x7fn) | 0x80;
  yield Number(rest);
}
