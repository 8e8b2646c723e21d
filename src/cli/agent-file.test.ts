import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { readAgents, readDescriptor } from './agent-file.ts';
import type { Terminal } from './terminal.ts';

const terminal = (stdin: string): Terminal => ({
  env: {},
  stdin: Readable.from([Buffer.from(stdin)]),
  out: () => {},
  err: () => {},
  progress: undefined,
  colour: false,
});
const read = (value: unknown) => readDescriptor(terminal(JSON.stringify(value)), '-');

describe('a file of agents', () => {
  it('may be JSON lines or a list, each with a key of its own', async () => {
    const lines = '{"agentId":"a","delivery":"at_most_once","idempotencyKey":"k"}\n\n{"agentId":"b"}\n';
    const [a, b] = await readAgents(terminal(lines), '-');
    expect(a).toEqual({
      place: 'stdin:1',
      idempotencyKey: 'k',
      agent: { agentId: 'a', delivery: 'AT_MOST_ONCE' },
    });
    expect(b).toEqual({ place: 'stdin:3', agent: { agentId: 'b' } });
    expect(await readAgents(terminal('[{"agentId":"a"}]'), '-')).toMatchObject([{ place: 'stdin: agent 1' }]);
  });

  it.each([
    ['{"agentId":"a"}\n{"agentId":"b c"}', 'stdin:2: /agentId: '],
    ['[]', 'stdin: contains no agent'],
    ['{"weight":1}', 'stdin:1: /agentId: '],
  ])('%j is refused before anything is sent', async (text, message) =>
    expect(readAgents(terminal(text), '-')).rejects.toThrow(message),
  );
});

describe('a descriptor in a file', () => {
  it('is sent as it is written, in the words of the API, without defaults', async () => {
    const location = { region: 'eu', zone: 'b' };
    expect(await read({ agentId: 'a', delivery: 'at_most_once', serviceTypes: ['ANALYSIS'], location })).toEqual({
      agentId: 'a',
      delivery: 'AT_MOST_ONCE',
      serviceTypes: ['ANALYSIS'],
      location,
    });
  });

  it('may leave the id to the command line', async () => expect(await read({ weight: 2 })).toEqual({ weight: 2 }));

  it.each([
    [{ weight: 'much' }, 'stdin: /weight: '],
    [{ sla: { price: 1 } }, 'stdin: /sla: '],
    [{ serviceTypes: [1] }, 'stdin: /serviceTypes/0: '],
    [{ serviceTypes: 'analysis' }, 'stdin: /serviceTypes: '],
    [{ wieght: 1 }, 'Unrecognized key: "wieght"'],
    [['a'], 'stdin: '],
    [null, 'stdin: '],
  ])('%j is refused before anything is sent', async (value, message) => expect(read(value)).rejects.toThrow(message));
});
