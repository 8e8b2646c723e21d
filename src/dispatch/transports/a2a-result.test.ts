import { type Part, type Task, TaskState } from '@a2a-js/sdk';
import { describe, expect, it } from 'vitest';
import { hasSettled, progressOf, resultOfParts, resultOfTask } from './a2a-result.ts';
import { TransportError } from './transport.ts';

const part = (content: Part['content'], filename = '', mediaType = ''): Part => ({
  content,
  metadata: undefined,
  filename,
  mediaType,
});
const data = (value: unknown): Part => part({ $case: 'data', value });
const text = (value: string): Part => part({ $case: 'text', value });

const task = (state: TaskState, options: { parts?: Part[]; message?: Part[]; metadata?: object } = {}): Task => ({
  id: 't',
  contextId: 'c',
  status: {
    state,
    timestamp: undefined,
    message:
      options.message || options.metadata
        ? {
            messageId: 'm',
            contextId: '',
            taskId: '',
            role: 2,
            parts: options.message ?? [],
            metadata: options.metadata,
            extensions: [],
            referenceTaskIds: [],
          }
        : undefined,
  },
  artifacts: options.parts
    ? [{ artifactId: 'a', name: '', description: '', parts: options.parts, metadata: undefined, extensions: [] }]
    : [],
  history: [],
  metadata: undefined,
});

const failure = (run: () => unknown): TransportError => {
  try {
    run();
  } catch (error) {
    if (error instanceof TransportError) return error;
    throw error;
  }
  throw new Error('it did not fail');
};

describe('the result of parts', () => {
  it.each([
    ['none', [], null],
    ['one datum', [data({ a: 1 })], { a: 1 }],
    ['a datum that is null', [data(null)], null],
    ['one text', [text('hi')], 'hi'],
    ['a datum and texts about it', [text('see'), data(7), text('there')], 7],
    ['two data', [data(1), data(2)], [1, 2]],
    ['texts only', [text('a'), text('b')], ['a', 'b']],
    ['a datum and a file', [data(1), part({ $case: 'url', value: 'http://x/' })], [1, { url: 'http://x/' }]],
    [
      'bytes',
      [part({ $case: 'raw', value: Buffer.from('hi') }, 'a.txt', 'text/plain')],
      { filename: 'a.txt', mediaType: 'text/plain', base64: 'aGk=' },
    ],
    ['a part without content', [part(undefined)], null],
  ])('%s', (_, parts, result) => {
    expect(resultOfParts(parts)).toEqual(result);
  });
});

describe('a task', () => {
  it('continues only while it is submitted or working', () => {
    const goesOn = [TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING];
    for (const state of Object.values(TaskState).filter((value) => typeof value === 'number'))
      expect(hasSettled(task(state))).toBe(!goesOn.includes(state));
  });

  it('that completed has its artifacts as the result, or else its last message', () => {
    const { TASK_STATE_COMPLETED: completed } = TaskState;
    expect(resultOfTask(task(completed, { parts: [data(1)], message: [text('done')] }))).toBe(1);
    expect(resultOfTask(task(completed, { message: [text('done')] }))).toBe('done');
    expect(resultOfTask(task(completed))).toBeNull();
  });

  it('that failed gives the reason, and may give a code', () => {
    const { TASK_STATE_FAILED: failed } = TaskState;
    expect(failure(() => resultOfTask(task(failed)))).toMatchObject({ code: 'AGENT_FAILED', retryable: true });
    const named = task(failed, { message: [text('no')], metadata: { code: 'NO_FACTOR', retryable: false } });
    expect(failure(() => resultOfTask(named))).toMatchObject({ code: 'NO_FACTOR', message: 'no', retryable: false });
    const odd = task(failed, { metadata: { code: 'drop table', retryable: 'yes' } });
    expect(failure(() => resultOfTask(odd))).toMatchObject({ code: 'AGENT_FAILED', retryable: true });
  });

  it('in an unknown state violates the protocol', () => {
    expect(failure(() => resultOfTask(task(TaskState.UNRECOGNIZED)))).toMatchObject({ code: 'AGENT_PROTOCOL_ERROR' });
    expect(failure(() => resultOfTask({ ...task(0), status: undefined }))).toMatchObject({
      code: 'AGENT_PROTOCOL_ERROR',
      outcomeKnown: false,
    });
  });

  it('reports progress in its status message', () => {
    const working = task(TaskState.TASK_STATE_WORKING, {
      message: [text('half')],
      metadata: { percent: 50, checkpoint: { at: 5 }, other: 1 },
    });
    expect(progressOf(working)).toEqual({ message: 'half', percent: 50, checkpoint: { at: 5 } });
    expect(progressOf(task(TaskState.TASK_STATE_WORKING))).toBeUndefined();
  });
});
