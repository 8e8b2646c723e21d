import { describe, expect, it } from 'vitest';
import { specOf } from '../../../test/support/given-when-then.ts';
import { DEFAULT_RETRY } from '../retry.ts';
import { type SettleDependencies, type SubmitTask, timeoutByComplexity } from './commands.ts';
import { taskDecider } from './decider.ts';
import type { TaskEvent } from './events.ts';

const task = specOf(taskDecider);

const TASK = '11111111-1111-5111-8111-111111111111';
const FIRST = '22222222-2222-5222-8222-222222222222';
const SECOND = '33333333-3333-5333-8333-333333333333';
const NOW = '2026-03-01T12:00:00.000Z';

const submit: SubmitTask = {
  type: 'SubmitTask',
  taskId: TASK,
  capability: 'translate',
  input: null,
  pool: 'default',
  priority: 3,
  strategy: 'least_loaded',
  retry: DEFAULT_RETRY,
  timeoutMs: 300_000,
  tags: [],
  now: NOW,
};
const { type: _, now: submittedAt, waitsFor: _none, ...facts } = submit;
const dependent: TaskEvent = {
  type: 'TaskSubmitted',
  data: { ...facts, dependsOn: [FIRST, SECOND], waitsFor: [FIRST, SECOND], submittedAt },
};
const unblocked: TaskEvent = { type: 'TaskUnblocked', data: { taskId: TASK, unblockedAt: NOW } };
const settle = (ended: SettleDependencies['ended']): SettleDependencies => ({
  type: 'SettleDependencies',
  ended,
  now: NOW,
});

describe('the limit of an attempt', () => {
  it.each([
    [undefined, 300_000],
    [1, 300_000],
    [2.5, 750_000],
    [0.01, 3_000],
    [12, 3_600_000],
    [1_000, 3_600_000],
  ])('of complexity %s is %s ms', (complexity, ms) => expect(timeoutByComplexity(complexity)).toBe(ms));

  it('is recorded with the complexity that it comes from', () =>
    expect(task.given().when({ ...submit, complexity: 2 }).events[0]?.data).toMatchObject({ complexity: 2 }));
});

describe('a task that depends on others', () => {
  it('is recorded with all of them, and with those for which it waits', () =>
    task
      .given()
      .when({ ...submit, dependsOn: [FIRST, SECOND], waitsFor: [SECOND] })
      .thenEvents({
        type: 'TaskSubmitted',
        data: { ...facts, dependsOn: [FIRST, SECOND], waitsFor: [SECOND], submittedAt },
      }));

  it('waits for nothing when all have completed already', () =>
    expect(task.given().when({ ...submit, dependsOn: [FIRST], waitsFor: [] }).events[0]?.data).not.toHaveProperty(
      'waitsFor',
    ));

  it('may run once all of them have completed, and not before', () => {
    task.given(dependent).when(settle({})).thenNothing();
    task
      .given(dependent)
      .when(settle({ [FIRST]: 'completed' }))
      .thenNothing();
    task
      .given(dependent)
      .when(settle({ [FIRST]: 'completed', [SECOND]: 'completed' }))
      .thenEvents(unblocked);
  });

  it('is told so once', () =>
    task
      .given(dependent, unblocked)
      .when(settle({ [FIRST]: 'completed', [SECOND]: 'completed' }))
      .thenNothing());

  it.each(['cancelled', 'failed'] as const)(
    'is cancelled when one of them was %s, whatever became of the others',
    (ended) =>
      task
        .given(dependent)
        .when(settle({ [SECOND]: ended }))
        .thenEvents({
          type: 'TaskCancelled',
          data: {
            taskId: TASK,
            reason: `task ${SECOND}, which it depends on, was ${ended}`,
            dependency: { taskId: SECOND, ended },
            cancelledAt: NOW,
          },
        }),
  );

  it('is not ended by them once it may run, nor when it has ended itself', () => {
    task
      .given(dependent, unblocked)
      .when(settle({ [FIRST]: 'cancelled' }))
      .thenNothing();
    task
      .given(dependent, { type: 'TaskCancelled', data: { taskId: TASK, cancelledAt: NOW } })
      .when(settle({ [FIRST]: 'cancelled' }))
      .thenNothing();
  });

  it('is dead-lettered at its deadline as any other, and waits again when it is redriven', () => {
    const late = '2026-03-01T13:00:00.000Z';
    const withDeadline: TaskEvent = {
      type: 'TaskSubmitted',
      data: { ...facts, deadlineAt: NOW, dependsOn: [FIRST], waitsFor: [FIRST], submittedAt },
    };
    const [letter] = task.given(withDeadline).when({ type: 'ExpireTask', heldBy: undefined, now: late }).events;
    expect(letter).toMatchObject({ type: 'TaskDeadLettered', data: { reason: 'deadline_passed', attempts: 0 } });
    const given = task.given(withDeadline, letter as TaskEvent);
    given.when(settle({ [FIRST]: 'completed' })).thenNothing();
    const [redriven] = given.when({ type: 'RedriveTask', now: late }).events;
    expect(redriven).toMatchObject({ type: 'TaskRedriven', data: { waitsFor: [FIRST] } });
    task
      .given(withDeadline, letter as TaskEvent, redriven as TaskEvent)
      .when(settle({ [FIRST]: 'completed' }))
      .thenEvents(unblocked);
  });

  it('is as much work when it is redriven', () => {
    const letter: TaskEvent = {
      type: 'TaskDeadLettered',
      data: {
        taskId: TASK,
        reason: 'not_retryable',
        attempts: 1,
        error: { code: 'E', message: 'm', source: 'agent', retryable: false },
        deadLetteredAt: NOW,
      },
    };
    const complex: TaskEvent = { type: 'TaskSubmitted', data: { ...facts, complexity: 4, submittedAt } };
    expect(task.given(complex, letter).when({ type: 'RedriveTask', now: NOW }).events[0]?.data).toMatchObject({
      complexity: 4,
    });
  });

  it('does not wait again when it is redriven after it ran', () => {
    const letter: TaskEvent = {
      type: 'TaskDeadLettered',
      data: {
        taskId: TASK,
        reason: 'not_retryable',
        attempts: 1,
        error: { code: 'E', message: 'm', source: 'agent', retryable: false },
        deadLetteredAt: NOW,
      },
    };
    const [redriven] = task.given(dependent, unblocked, letter).when({ type: 'RedriveTask', now: NOW }).events;
    expect(redriven?.data).not.toHaveProperty('waitsFor');
  });
});
