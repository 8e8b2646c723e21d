import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Deframer, framed, MAX_MESSAGE_SIZE } from './deframer.ts';

it('finds the same messages however the bytes are split', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
      fc.array(fc.nat(60), { maxLength: 30 }),
      (messages, cuts) => {
        const bytes = Buffer.concat(messages.map((message) => framed(Buffer.from(message))));
        const found: number[][] = [];
        const deframer = new Deframer((message) => found.push([...message]));
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          deframer.push(bytes.subarray(at, at + cut));
          at = Math.min(bytes.length, at + cut);
        }
        expect(found).toEqual(messages.map((message) => [...message]));
      },
    ),
  );
});

it('refuses compressed and oversized messages before it buffers them', () => {
  const deframer = new Deframer(() => {});
  expect(() => deframer.push(Buffer.from([1, 0, 0, 0, 1, 0]))).toThrow(/compressed/);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(MAX_MESSAGE_SIZE + 1, 1);
  expect(() => new Deframer(() => {}).push(head)).toThrow(/larger than/);
});
