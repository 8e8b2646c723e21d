import { describe, expect, it } from 'vitest';
import { serverSentEvents } from './server-sent-events.ts';

const read = async (...chunks: (string | Buffer)[]): Promise<unknown[]> => {
  const bytes = async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk as string);
  };
  const events: unknown[] = [];
  for await (const event of serverSentEvents(bytes())) events.push(event);
  return events;
};

describe('an event stream', () => {
  it('yields events across chunks, even when a character is split', async () => {
    const bytes = Buffer.from('event: next\ndata: {"a":"ü"}\n\nevent: complete\n\n');
    const cut = bytes.indexOf(0xbc); // the second byte of ü
    expect(await read(bytes.subarray(0, cut), bytes.subarray(cut, 30), bytes.subarray(30))).toEqual([
      { event: 'next', data: '{"a":"ü"}' },
      { event: 'complete', data: '' },
    ]);
  });

  it('omits comments and unfinished events', async () => {
    expect(await read(':\n\n: keep alive\n\n', 'data: 1\r\ndata: 2\r\n\r\n', 'event: next\ndata: cut')).toEqual([
      { event: 'message', data: '1\n2' },
    ]);
  });
});
