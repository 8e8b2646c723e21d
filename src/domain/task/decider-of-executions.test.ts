import { describe, expect, it } from 'vitest';
import { specOf } from '../../../test/support/given-when-then.ts';
import { DEFAULT_RETRY } from '../retry.ts';
import { taskDecider } from './decider.ts';
import { type AttemptError, type TaskEvent, taskEvents } from './events.ts';
import { attemptsMade } from './state.ts';

const task = specOf(taskDecider);
const TASK = '11111111-1111-5111-8111-111111111111';
const EXECUTION = '7c9e6679-7425-5e0d-9a5b-6f1f0a7d3c21';
const now = '2026-03-01T12:00:00.000Z';

const TROUBLE: AttemptError = { code: 'AGENT_FAILED', message: 'no luck', source: 'agent', retryable: true };
const HOPELESS: AttemptError = { ...TROUBLE, retryable: false };

const submitted = (maxAttempts = 3): TaskEvent => ({
  type: 'TaskSubmitted',
  data: {
    taskId: TASK,
    pool: 'default',
    capability: 'translate',
    input: null,
    priority: 3,
    strategy: 'least_loaded',
    retry: { ...DEFAULT_RETRY, kind: 'immediate', maxAttempts },
    timeoutMs: 1_000,
    tags: [],
    executionId: EXECUTION,
    unit: 'collect',
    submittedAt: now,
  },
});
const failed = (attempt: number, error: AttemptError, retryAt?: string): TaskEvent => ({
  type: 'TaskAttemptFailed',
  data: { taskId: TASK, attempt, agentId: 'anna', error, failedAt: now, ...(retryAt === undefined ? {} : { retryAt }) },
});
const given = (
  reason: 'attempts_exhausted' | 'not_retryable' | 'execution_aborting',
  attempts: number,
  error: AttemptError,
): TaskEvent => ({ type: 'TaskFailed', data: { taskId: TASK, reason, attempts, error, failedAt: now } });
const unknown: TaskEvent = {
  type: 'TaskOutcomeUnknown',
  data: { taskId: TASK, attempt: 1, agentId: 'anna', error: TROUBLE, occurredAt: now },
};
const redriven = (nextAttempt: number): TaskEvent => ({
  type: 'TaskRedriven',
  data: {
    taskId: TASK,
    pool: 'default',
    capability: 'translate',
    priority: 3,
    strategy: 'least_loaded',
    timeoutMs: 1_000,
    nextAttempt,
    executionId: EXECUTION,
    unit: 'collect',
    redrivenAt: now,
  },
});

const fail = (attempt: number, error: AttemptError, final = false) =>
  ({ type: 'FailAttempt', attempt, agentId: 'anna', error, random: 0, now, ...(final ? { final } : {}) }) as const;
const complete = (attempt: number) =>
  ({ type: 'CompleteAttempt', attempt, agentId: 'anna', result: 1, durationMs: 1, now }) as const;
const redrive = { type: 'RedriveTask', now } as const;

describe('a task of an execution', () => {
  it('is retried like any other', () =>
    task
      .given(submitted())
      .when(fail(1, TROUBLE))
      .thenEvents(failed(1, TROUBLE, now)));

  it('fails permanently, without a dead letter', () => {
    task
      .given(submitted())
      .when(fail(1, HOPELESS))
      .thenEvents(failed(1, HOPELESS), given('not_retryable', 1, HOPELESS));
    task
      .given(submitted(2), failed(1, TROUBLE, now))
      .when(fail(2, TROUBLE))
      .thenEvents(failed(2, TROUBLE), given('attempts_exhausted', 2, TROUBLE));
  });

  it('gets no further attempt when nobody needs its result any more', () =>
    task
      .given(submitted())
      .when(fail(1, TROUBLE, true))
      .thenEvents(failed(1, TROUBLE), given('execution_aborting', 1, TROUBLE)));

  it('records whether an agent held it when it was cancelled', () => {
    const cancelled = (interrupted: boolean): TaskEvent => ({
      type: 'TaskCancelled',
      data: { taskId: TASK, cancelledAt: now, reason: 'over', ...(interrupted ? { interrupted: true as const } : {}) },
    });
    task
      .given(submitted())
      .when({ type: 'CancelTask', reason: 'over', interrupted: true, now })
      .thenEvents(cancelled(true));
    task.given(submitted()).when({ type: 'CancelTask', reason: 'over', now }).thenEvents(cancelled(false));
    task
      .given(submitted(), cancelled(true))
      .when(complete(1))
      .thenRejected({ reason: 'TaskNotRunning', status: 'cancelled' });
  });
});

describe('a task of an execution that has failed', () => {
  const over = task.given(submitted(1), failed(1, TROUBLE), given('attempts_exhausted', 1, TROUBLE));

  it('accepts no late answer', () => {
    over.when(complete(1)).thenRejected({ reason: 'StaleAttempt', attempt: 1, current: 2 });
    over.when(complete(2)).thenRejected({ reason: 'TaskNotRunning', status: 'failed' });
  });

  it('is redriven with the next attempt and a fresh budget, for the same step', () => {
    over.when(redrive).thenEvents(redriven(2));
    const again = task.given(submitted(2), failed(1, HOPELESS), given('not_retryable', 1, HOPELESS), redriven(2));
    again.when(fail(2, TROUBLE)).thenEvents(failed(2, TROUBLE, now));
    again.when(complete(1)).thenRejected({ reason: 'StaleAttempt', attempt: 1, current: 2 });
  });

  it('is redriven with one more when its last attempt was lost', () =>
    task.given(submitted(), unknown).when(redrive).thenEvents(redriven(2)));

  it('can be cancelled', () => expect(over.when({ type: 'CancelTask', now }).events).toHaveLength(1));
});

describe('every event of a task of an execution', () => {
  const events = [submitted(), failed(1, TROUBLE, now), given('execution_aborting', 0, HOPELESS), unknown, redriven(2)];
  it.each(events)('$type fits its schema', ({ type, data }) =>
    expect(taskEvents[type].schema.parse(data)).toEqual(data),
  );
});

describe('the attempts of a task', () => {
  const made = (...history: TaskEvent[]): number => {
    const { state } = task.given(submitted(), ...history);
    if (state.status === 'none') throw new Error('there is no task');
    return attemptsMade(state);
  };

  it('are the current one and those before it', () => {
    expect(made()).toBe(1);
    expect(made(failed(1, TROUBLE, now))).toBe(2);
    expect(made(unknown)).toBe(1);
  });

  it('do not include the next one after a permanent failure', () =>
    expect(made(failed(1, HOPELESS), given('not_retryable', 1, HOPELESS))).toBe(1));
});
