import { type Part, type StreamResponse, type Task, TaskState } from '@a2a-js/sdk';
import { describe, expect, it } from 'vitest';
import { resultOfParts } from './a2a-result.ts';
import { StreamedTask } from './a2a-stream.ts';

const part = (content: Part['content']): Part => ({ content, metadata: undefined, filename: '', mediaType: '' });
const data = (value: unknown): Part => part({ $case: 'data', value });
const text = (value: string): Part => part({ $case: 'text', value });

const working: Task = {
  id: 't',
  contextId: 'c',
  status: { state: TaskState.TASK_STATE_WORKING, timestamp: undefined, message: undefined },
  artifacts: [],
  history: [],
  metadata: undefined,
};

type Kind = 'replace' | 'append';

const artifact = (artifactId: string, parts: Part[], kind: Kind = 'append', taskId = 't'): StreamResponse => ({
  payload: {
    $case: 'artifactUpdate',
    value: {
      taskId,
      contextId: 'c',
      artifact: { artifactId, name: '', description: '', parts, metadata: undefined, extensions: [] },
      append: kind === 'append',
      lastChunk: false,
      metadata: undefined,
    },
  },
});

const streamOf = (...updates: StreamResponse[]): StreamedTask => {
  const streamed = new StreamedTask(working);
  for (const update of updates) streamed.apply(update);
  return streamed;
};

const resultsOf = ({ task }: StreamedTask): unknown[] => task?.artifacts.map(({ parts }) => resultOfParts(parts)) ?? [];

const codeOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};

describe('the artifacts of a stream', () => {
  it('are appended to, replaced and added', () => {
    const streamed = streamOf(
      artifact('a', [data(1)], 'replace'),
      artifact('a', [data(2)]),
      artifact('b', [data(3)], 'replace'),
      artifact('b', [data(4)], 'replace'),
    );
    expect(resultsOf(streamed)).toEqual([[1, 2], 4]);
  });

  it('become one text when a text continues word by word', () => {
    const words = ['One ', 'word ', 'after ', 'another'].map((word) => artifact('a', [text(word)]));
    expect(resultsOf(streamOf(...words))).toEqual(['One word after another']);
  });

  it('keep texts separate that came together, or with data between them', () => {
    expect(resultsOf(streamOf(artifact('a', [text('a'), text('b')]), artifact('a', [text('c'), data(1)])))).toEqual([
      1,
    ]);
    const mixed = streamOf(
      artifact('a', [text('a'), text('b')]),
      artifact('a', [text('c')]),
      artifact('a', [text('d')]),
    );
    expect(resultsOf(mixed)).toEqual([['a', 'bcd']]);
  });

  it('do not change the task with which the stream began', () => {
    const start = { ...working, artifacts: [{ ...(streamOf(artifact('a', [text('a')])).task as Task).artifacts[0]! }] };
    new StreamedTask(start).apply(artifact('a', [text('b')]));
    expect(start.artifacts[0]?.parts).toEqual([text('a')]);
  });

  it('cost the same for each piece, and their number is limited', () => {
    const streamed = streamOf();
    const piece = artifact('a', [data('x'.repeat(150))]);
    const startedMs = performance.now();
    for (let n = 0; n < 100_000; n += 1) streamed.apply(piece);
    // 20 ms; with a copy of the list for each piece, a minute.
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(codeOf(() => streamed.apply(piece))).toBe('AGENT_RESPONSE_TOO_LARGE');
  });
});

describe('a stream', () => {
  it('reports the state of the task with each event', () => {
    const streamed = new StreamedTask();
    expect(streamed.state).toBeUndefined();
    streamed.apply({ payload: { $case: 'task', value: working } });
    const status = { state: TaskState.TASK_STATE_COMPLETED, timestamp: undefined, message: undefined };
    streamed.apply({
      payload: { $case: 'statusUpdate', value: { taskId: 't', contextId: 'c', status, metadata: undefined } },
    });
    expect(streamed.task).toEqual({ ...working, status });
  });

  it.each<[string, StreamedTask, StreamResponse]>([
    ['that begins with an update', new StreamedTask(), artifact('a', [])],
    ['with an empty event', streamOf(), { payload: undefined }],
    ['with an update of another task', streamOf(), artifact('a', [], 'append', 'other')],
    ['with another task', streamOf(), { payload: { $case: 'task', value: { ...working, id: 'other' } } }],
  ])('%s violates the protocol', (_, streamed, update) => {
    expect(codeOf(() => streamed.apply(update))).toBe('AGENT_PROTOCOL_ERROR');
  });
});
