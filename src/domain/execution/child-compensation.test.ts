import { describe, expect, it } from 'vitest';
import { compensable, Story, step } from '../../../test/support/story.ts';
import { whyNotRunning } from './why-not-running.ts';

const childOf = (story: Story): string => {
  const waiting = story.log.find(({ type }) => type === 'StepWaiting');
  return waiting?.type === 'StepWaiting' ? (waiting.data.child?.executionId ?? '') : '';
};
const completeChild = (story: Story): void => {
  const outcome = { status: 'completed', output: 1 } as const;
  story.when({ type: 'CloseChild', step: 'sub', childId: childOf(story), outcome });
};

describe('a completed sub-workflow without a compensation of its own', () => {
  /** Its step `c` fails when all others have completed. */
  const failing = (): Story => {
    const story = Story.of([
      compensable('a'),
      step('sub', ['a'], { workflow: { name: 'child' } }),
      compensable('b', ['sub']),
      step('c', ['b']),
    ]);
    story.complete('a');
    completeChild(story);
    story.complete('b');
    return story;
  };
  const troubled = { code: 'CHILD_COMPENSATION_FAILED', message: 'm', source: 'baton', retryable: false } as const;

  it('is compensated in its turn, before its parent has been', () => {
    const story = failing();
    expect(story.refuse('c')).toContain('CompensationStarted b sub<b a<sub');
    expect(story.complete('~b')).toEqual(['TaskCompleted ~b', 'CompensationWaiting sub']);
    expect(story.last.at(-1)?.data).toMatchObject({ unit: 'sub', childId: childOf(story) });
    expect(story.status).toBe('compensating');
    expect(whyNotRunning(story.state)).toContainEqual({ unit: '~sub', reason: 'workflow', childId: childOf(story) });
    expect(story.when({ type: 'CloseCompensation', unit: 'sub' })).toEqual([
      'CompensationCompleted sub',
      'TaskSubmitted ~a',
    ]);
    expect(story.when({ type: 'CloseCompensation', unit: 'sub' })).toEqual([]);
    expect(story.complete('~a')).toEqual(['TaskCompleted ~a', 'ExecutionCompensated']);
  });

  it('that cannot be compensated leaves its parent COMPENSATION_FAILED, until a person has seen to it', () => {
    const story = failing();
    story.refuse('c');
    story.complete('~b');
    expect(story.when({ type: 'CloseCompensation', unit: 'sub', error: troubled })).toEqual([
      'CompensationParked sub',
      'ExecutionCompensationFailed',
    ]);
    expect(story.when({ type: 'CloseCompensation', unit: 'sub', error: troubled })).toEqual([]);
    expect(story.when({ type: 'RetryCompensation', unit: 'sub' })).toEqual(['CompensationWaiting sub']);
    expect(story.status).toBe('compensating');
    story.when({ type: 'CloseCompensation', unit: 'sub', error: troubled });
    // A person has the compensations of the sub-workflow tried again, there.
    expect(story.when({ type: 'CloseCompensation', unit: 'sub' })).toContain('TaskSubmitted ~a');
    expect(story.complete('~a')).toContain('ExecutionCompensated');
  });

  it('is compensated by the compensation of its step where that has one', () => {
    const story = Story.of([compensable('sub', [], { workflow: { name: 'child' } }), step('b', ['sub'])]);
    completeChild(story);
    expect(story.refuse('b').slice(-2)).toEqual(['CompensationStarted sub', 'TaskSubmitted ~sub']);
  });
});

describe('an execution that has completed, and is compensated with its parent', () => {
  const compensate = { type: 'CompensateExecution', reason: 'its parent compensates' } as const;

  it('is reopened, and compensates what it did', () => {
    const story = Story.of([compensable('a'), compensable('b', ['a'])]);
    story.complete('a');
    expect(story.when(compensate)).toEqual([]);
    expect(story.complete('b')).toContain('ExecutionCompleted');
    expect(story.when(compensate)).toEqual([
      'ExecutionReopened',
      'ExecutionAborting cancelled backward !',
      'CompensationStarted b a<b',
      'TaskSubmitted ~b',
    ]);
    expect(story.when(compensate)).toEqual([]);
    story.complete('~b');
    expect(story.complete('~a')).toEqual(['TaskCompleted ~a', 'ExecutionCompensated']);
    expect(story.when(compensate)).toEqual([]);
  });

  it('stays as it is when it owes nothing, or has passed its pivot', () => {
    const owesNothing = Story.of([step('a')]);
    owesNothing.complete('a');
    expect(owesNothing.when(compensate)).toEqual([]);
    const pivot = Story.of([compensable('a'), step('p', ['a'], { pivot: true })]);
    pivot.complete('a');
    pivot.complete('p');
    expect(pivot.when(compensate)).toEqual(['refused PivotPassed']);
    expect(pivot.status).toBe('completed');
  });
});
