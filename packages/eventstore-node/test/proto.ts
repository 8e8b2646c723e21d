/** Protobuf by hand, so that tests can send and see what no generated message can hold. */

export const varint = (field: number, value: number | bigint): Buffer =>
  Buffer.concat([raw(BigInt(field) * 8n), raw(BigInt(value))]);

export const bytes = (field: number, value: Buffer | string): Buffer => {
  const content = Buffer.from(value as string);
  return Buffer.concat([raw(BigInt(field) * 8n + 2n), raw(BigInt(content.length)), content]);
};

export const message = (field: number, ...parts: Buffer[]): Buffer => bytes(field, Buffer.concat(parts));

const raw = (value: bigint): Buffer => {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...out, Number(rest)]);
};

/** A decoded message: for each field what came, in order; numbers as bigint. */
export class Fields {
  readonly #values = new Map<number, (bigint | Buffer)[]>();

  constructor(buffer: Buffer) {
    let at = 0;
    const number = () => {
      let value = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = buffer[at++] as number;
        value |= BigInt(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    while (at < buffer.length) {
      const tag = number();
      const field = Number(tag >> 3n);
      const known = this.#values.get(field) ?? [];
      this.#values.set(field, known);
      if ((tag & 7n) === 0n) known.push(number());
      else {
        const length = Number(number());
        known.push(buffer.subarray(at, at + length));
        at += length;
      }
    }
  }

  get present(): number[] {
    return [...this.#values.keys()].toSorted((a, b) => a - b);
  }

  has(field: number): boolean {
    return this.#values.has(field);
  }

  number(field: number): bigint | undefined {
    return this.#values.get(field)?.at(-1) as bigint | undefined;
  }

  bytes(field: number): Buffer | undefined {
    return this.#values.get(field)?.at(-1) as Buffer | undefined;
  }

  text(field: number): string | undefined {
    return this.bytes(field)?.toString('utf8');
  }

  texts(field: number): string[] {
    return (this.#values.get(field) ?? []).map((content) => (content as Buffer).toString('utf8'));
  }

  message(field: number): Fields | undefined {
    const content = this.bytes(field);
    return content && new Fields(content);
  }

  messages(field: number): Fields[] {
    return (this.#values.get(field) ?? []).map((content) => new Fields(content as Buffer));
  }
}
