import { describe, expect, it } from 'vitest';
import { compensable, Story, step, type TaskInput } from '../../../test/support/story.ts';
import { domainEvents } from '../events.ts';
import type { Json } from '../json.ts';
import type { CompensationStrategy } from '../workflow/definition.ts';
import { planCompensation } from './plan-compensation.ts';

const saga = (
  strategy: CompensationStrategy,
  facts: {
    scope?: 'all' | 'affected';
    onCompensationFailure?: 'stop' | 'continue';
    select?: { tasks?: string[]; tags?: string[] };
  } = {},
) => ({ saga: { strategy, ...facts } });

/** a → b → c → d, of which d fails. */
const chain = (facts: Parameters<typeof Story.of>[1] = {}, last: Partial<TaskInput> = {}) =>
  Story.of([compensable('a'), compensable('b', ['a']), compensable('c', ['b']), step('d', ['c'], last)], facts);
const failing = (facts: Parameters<typeof Story.of>[1] = {}) => {
  const story = chain(facts);
  for (const id of ['a', 'b', 'c']) story.complete(id, { id });
  story.refuse('d');
  return story;
};

describe('a saga whose step fails', () => {
  it('compensates the completed steps from the last to the first, one after another', () => {
    const story = chain();
    for (const id of ['a', 'b', 'c']) story.complete(id);
    expect(story.refuse('d')).toEqual([
      'TaskAttemptFailed d',
      'TaskFailed d',
      'ExecutionAborting step_failed backward',
      'CompensationStarted c b<c a<b',
      'TaskSubmitted ~c',
    ]);
    expect(story.status).toBe('compensating');
    expect(story.complete('~c')).toEqual(['TaskCompleted ~c', 'TaskSubmitted ~b']);
    expect(story.complete('~b')).toEqual(['TaskCompleted ~b', 'TaskSubmitted ~a']);
    expect(story.complete('~a')).toEqual(['TaskCompleted ~a', 'ExecutionCompensated']);
    expect(story.last.at(-1)?.data).toMatchObject({ compensated: 3, skipped: 0 });
  });

  it('gives the compensation the input and the output of the step', () => {
    const story = failing();
    expect(story.taskOf('~c').input).toEqual({ input: { b: { id: 'b' } }, output: { id: 'c' } });
  });

  it('makes the input of a compensation from its template', () => {
    const compensation = { capability: 'undo', input: { what: '= self.output.id', of: '= tasks.a.output' } };
    const story = Story.of([step('a'), step('b', ['a'], { compensation }), step('c', ['b'])]);
    story.complete('a', 'A');
    story.complete('b', { id: 7 });
    story.refuse('c');
    expect(story.taskOf('~b').input).toEqual({ what: 7, of: 'A' });
  });

  it('fails when there is nothing to compensate', () => {
    const story = chain();
    expect(story.refuse('a')).toEqual([
      'TaskAttemptFailed a',
      'TaskFailed a',
      'ExecutionAborting step_failed backward',
      'ExecutionFailed REFUSED',
    ]);
  });

  it('compensates sub-workflow steps and single items', () => {
    const story = Story.of([
      compensable('w', [], { workflow: { name: 'child' } }),
      compensable('e', [], { forEach: { items: '["x", "y", "z"]' }, onFailure: 'continue' }),
      step('f', ['w', 'e']),
    ]);
    const childId = story.state.steps.get(0).waiting?.childId ?? '';
    story.complete('e[1]');
    story.refuse('e[0]');
    story.timeOut('e[2]');
    story.when({ type: 'CloseChild', step: 'w', childId, outcome: { status: 'completed', output: 1 } });
    expect(story.refuse('f')).toContain('CompensationStarted w e[2]<w e[1]<e[2]');
  });
});

describe('what needs a compensation', () => {
  const both = (facts: Partial<TaskInput> = {}) =>
    Story.of([compensable('a', [], facts), compensable('b')], saga('parallel'));

  it('is not a step that refused', () => {
    const story = both();
    story.complete('b');
    expect(story.refuse('a')).toContain('CompensationStarted b');
  });

  it('is a step that timed out', () => {
    const story = both();
    story.complete('b');
    expect(story.timeOut('a')).toContain('CompensationStarted b a');
  });

  it('is a step that timed out once and then refused', () => {
    const story = Story.of([compensable('a', [], { retry: { kind: 'immediate', maxAttempts: 2 } })]);
    const taskId = story.taskOf('a').taskId;
    const error = {
      code: 'AGENT_TIMEOUT',
      message: 'late',
      source: 'timeout',
      retryable: true,
      outcomeUnknown: true,
    } as const;
    story.when({
      type: 'RunTask',
      taskId,
      command: { type: 'FailAttempt', attempt: 1, error, random: 0, now: story.now() },
    });
    expect(story.refuse('a', 2)).toContain('CompensationStarted a');
  });

  it('is a step with an unknown outcome, even if it answers while the execution waits for others', () => {
    const story = both();
    expect(story.lose('a')).toEqual(['TaskOutcomeUnknown a', 'ExecutionAborting step_failed parallel']);
    story.complete('a');
    expect(story.complete('b')).toContain('CompensationStarted a b');
  });

  it('does not change when the answer comes after compensation began', () => {
    const story = both();
    story.complete('b');
    story.lose('a');
    expect(story.complete('a')).toEqual(['TaskCompleted a']);
    expect(story.phaseOf('a')).toBe('indeterminate');
    story.complete('~a');
    expect(story.complete('~b')).toEqual(['TaskCompleted ~b', 'ExecutionCompensated']);
  });

  it('is a step whose agent was told to stop, but not one that no agent held', () => {
    const story = Story.of([compensable('a'), compensable('b'), compensable('c')], saga('parallel'));
    story.complete('c');
    expect(story.when({ type: 'CancelExecution', compensate: true })).toEqual([
      'ExecutionAborting cancelled parallel !',
    ]);
    story.release('a', true);
    expect(story.release('b', false)).toEqual([
      'TaskCancelled b',
      'CompensationStarted c a',
      'TaskSubmitted ~c',
      'TaskSubmitted ~a',
    ]);
  });

  it('is no step that another execution ran', () => {
    const reused = [{ stepId: 'a', status: 'completed' as const }];
    const story = new Story();
    story.start(
      { tasks: [compensable('a'), compensable('b', ['a']), step('c', ['b'])] },
      { forkedFrom: { executionId: '0b1f8a52-91f4-5a0a-8c55-2f6c6f6a9d10', revision: 3, reused } },
    );
    story.complete('b');
    expect(story.refuse('c')).toContain('CompensationStarted b');
  });

  it('keeps its place before its dependants when its answer comes late', () => {
    const story = Story.of([
      compensable('a', [], { onFailure: 'continue' }),
      compensable('b', ['a']),
      step('c', ['b']),
    ]);
    story.lose('a');
    story.complete('b');
    story.complete('a');
    expect(story.refuse('c')).toContain('CompensationStarted b a<b');
  });
});

describe('a strategy', () => {
  /** a → (b, c) → d, and e beside them; completed in the order a, c, b, e. */
  const graph = (facts: Parameters<typeof saga>, extra: Partial<TaskInput> = {}) => {
    const story = Story.of(
      [
        compensable('a'),
        compensable('b', ['a']),
        compensable('c', ['a'], extra),
        step('d', ['b', 'c']),
        compensable('e'),
      ],
      saga(...facts),
    );
    for (const id of ['a', 'c', 'b', 'e']) story.complete(id);
    return story;
  };
  const planOf = (story: Story): string | undefined =>
    story.refuse('d').find((told) => told.startsWith('Compensation'));

  it('backward compensates in reverse order of completion', () =>
    expect(planOf(graph(['backward']))).toBe('CompensationStarted e b<e c<b a<c'));
  it('forward compensates in order of completion', () =>
    expect(planOf(graph(['forward']))).toBe('CompensationStarted a c<a b<c e<b'));
  it('parallel compensates all steps at once', () =>
    expect(planOf(graph(['parallel']))).toBe('CompensationStarted a c b e'));
  it('selective compensates steps that are marked, named or tagged', () => {
    expect(planOf(graph(['selective']))).toBeUndefined();
    expect(planOf(graph(['selective', { select: { tasks: ['a'], tags: ['money'] } }], { tags: ['money'] }))).toBe(
      'CompensationStarted c a<c',
    );
    expect(planOf(graph(['selective'], { compensate: true }))).toBe('CompensationStarted c');
  });
  it('cascade compensates a step after all its dependants, branches side by side', () =>
    expect(planOf(graph(['cascade']))).toBe('CompensationStarted e b c a<b<c'));
  it('cascade with the scope "affected" leaves alone what the failure does not concern', () =>
    expect(planOf(graph(['cascade', { scope: 'affected' }]))).toBe('CompensationStarted b c a<b<c'));

  it('cascade looks past steps without a compensation', () => {
    const story = Story.of(
      [compensable('a'), step('b', ['a']), compensable('c', ['b']), step('d', ['c'])],
      saga('cascade'),
    );
    for (const id of ['a', 'b', 'c']) story.complete(id);
    expect(planOf(story)).toBe('CompensationStarted c a<c');
  });

  it('cascade compensates a step after its dependants even where these completed first, past a step that somebody skipped', () => {
    const story = Story.of(
      [compensable('a'), step('b', ['a']), compensable('c', ['b']), step('d', ['c'])],
      saga('cascade'),
    );
    story.when({ type: 'SkipStep', step: 'b', reason: 'not needed' });
    story.complete('c');
    story.refuse('d');
    expect(story.complete('a')).toEqual(['TaskCompleted a', 'CompensationStarted c a<c', 'TaskSubmitted ~c']);
    expect(story.complete('~c')).toEqual(['TaskCompleted ~c', 'TaskSubmitted ~a']);
  });

  it('cascade compensates one step at a time where the order would be too long to store', () => {
    const forEach = { items: 'input' };
    const input = Array.from({ length: 300 }, (_, n) => n);
    const story = Story.of(
      [compensable('a', [], { forEach }), compensable('b', ['a'], { forEach }), step('d', ['b'])],
      saga('cascade'),
      { input },
    );
    for (const id of ['a', 'b']) for (let n = 0; n < 300; n += 1) story.complete(`${id}[${n}]`);
    story.refuse('d');
    const started = story.last.find(({ type }) => type === 'CompensationStarted');
    expect(JSON.stringify(started).length).toBeLessThan(100_000);
    expect(started?.data).toMatchObject({ plan: expect.arrayContaining([{ unit: 'a[299]', after: ['b[0]'] }]) });
  });

  it('may be chosen with the cancellation', () => {
    const story = graph(['backward']);
    expect(story.when({ type: 'CancelExecution', compensate: true, strategy: 'forward' })).toEqual([
      'ExecutionAborting cancelled forward !',
    ]);
    expect(story.release('d', false)).toContain('CompensationStarted a c<a b<c e<b');
  });

  it.each(['backward', 'forward', 'parallel', 'selective', 'cascade'] as const)(
    '%s is previewed exactly as it happens',
    (strategy) => {
      const story = graph([strategy, { select: { tasks: ['a', 'b'] } }]);
      const preview = planCompensation(story.state, strategy, 'd');
      story.refuse('d');
      expect(story.last.find(({ type }) => type === 'CompensationStarted')?.data).toMatchObject({ plan: preview });
    },
  );

  it('compensates no more steps at a time than the execution may run', () => {
    const story = Story.of([compensable('a'), compensable('b'), compensable('c'), step('d', ['a', 'b', 'c'])], {
      ...saga('parallel'),
      coordination: { maxParallel: 2 },
    });
    for (const id of ['a', 'b', 'c']) story.complete(id);
    expect(story.refuse('d').filter((told) => told.startsWith('TaskSubmitted'))).toEqual([
      'TaskSubmitted ~a',
      'TaskSubmitted ~b',
    ]);
    expect(story.complete('~b')).toEqual(['TaskCompleted ~b', 'TaskSubmitted ~c']);
  });
});

describe('a saga with a pivot', () => {
  const pivoted = () =>
    Story.of([compensable('a'), compensable('p', ['a'], { pivot: true }), compensable('b', ['p']), step('c', ['b'])]);

  it('is compensated before the pivot', () => {
    const story = pivoted();
    story.complete('a');
    expect(story.refuse('p')).toContain('CompensationStarted a');
  });

  it('only goes forward after it: a failure waits for a person, and nothing is compensated', () => {
    const story = pivoted();
    for (const id of ['a', 'p', 'b']) story.complete(id);
    expect(story.refuse('c')).toEqual([
      'TaskAttemptFailed c',
      'TaskFailed c',
      'ExecutionAborting step_failed',
      'ExecutionFailed REFUSED',
    ]);
    expect(story.when({ type: 'CancelExecution', compensate: true })).toEqual(['refused PivotPassed']);
    expect(story.when({ type: 'RetryExecution' })).toEqual(['ExecutionReopened c', 'TaskRedriven c #2']);
  });

  it.each(['lose', 'timeOut'] as const)('does not compensate when the pivot may have taken effect (%s)', (how) => {
    const story = pivoted();
    story.complete('a');
    expect(story[how]('p').at(-1)).toMatch(/^ExecutionFailed/);
    expect(story.when({ type: 'CancelExecution', compensate: true })).toEqual(['refused PivotPassed']);
    expect(story.when({ type: 'CancelExecution', compensate: false })).toContain('ExecutionCancelled');
  });

  it('does not compensate when the pivot completes while it aborts', () => {
    const story = Story.of([compensable('a'), step('p', ['a'], { pivot: true }), step('x')]);
    story.complete('a');
    expect(story.refuse('x')).toContain('ExecutionAborting step_failed backward');
    expect(story.complete('p')).toEqual(['TaskCompleted p', 'ExecutionFailed REFUSED']);
  });
});

describe('a compensation that fails permanently', () => {
  const parked = (facts: Parameters<typeof saga>[1] = {}) => {
    const story = failing(saga('backward', facts));
    story.refuse('~c');
    return story;
  };

  it('is parked, and stops the rest', () => {
    const story = failing();
    expect(story.refuse('~c')).toEqual([
      'TaskAttemptFailed ~c',
      'TaskFailed ~c',
      'CompensationParked c',
      'ExecutionCompensationFailed',
    ]);
    expect(story.status).toBe('compensation_failed');
    expect(story.last.at(-1)?.data).toMatchObject({ parked: ['c'] });
  });

  it('is parked, and the rest goes on where the definition allows it', () => {
    const story = failing(saga('backward', { onCompensationFailure: 'continue' }));
    expect(story.refuse('~c')).toEqual([
      'TaskAttemptFailed ~c',
      'TaskFailed ~c',
      'CompensationParked c',
      'TaskSubmitted ~b',
    ]);
    story.complete('~b');
    expect(story.complete('~a')).toEqual(['TaskCompleted ~a', 'ExecutionCompensationFailed']);
    story.when({ type: 'RetryCompensation', unit: 'c' });
    expect(story.complete('~c', 1, { attempt: 2 })).toEqual(['TaskCompleted ~c', 'ExecutionCompensated']);
  });

  it('is parked when its input cannot be made', () => {
    const compensation = { capability: 'undo', input: '= self.output.missing' };
    const story = Story.of([step('a', [], { compensation }), step('b', ['a'])]);
    story.complete('a', {});
    expect(story.refuse('b').slice(2)).toEqual([
      'ExecutionAborting step_failed backward',
      'CompensationStarted a',
      'CompensationParked a',
      'ExecutionCompensationFailed',
    ]);
    expect(story.when({ type: 'RetryCompensation', unit: 'a' })).toEqual(['CompensationParked a']);
    expect(story.when({ type: 'RetryCompensation', unit: 'a', input: { id: 1 } })).toEqual(['TaskSubmitted ~a']);
    expect(story.complete('~a')).toEqual(['TaskCompleted ~a', 'ExecutionCompensated']);
  });

  it('is retried as the same task', () => {
    const story = parked();
    expect(story.when({ type: 'RetryCompensation', unit: 'c' })).toEqual(['TaskRedriven ~c #2']);
    expect(story.status).toBe('compensating');
    expect(story.when({ type: 'RetryCompensation', unit: 'c' })).toEqual(['refused CompensationNotParked']);
    expect(story.complete('~c', 1, { attempt: 2 })).toEqual(['TaskCompleted ~c', 'TaskSubmitted ~b']);
  });

  it('is retried with another input as another task', () => {
    const story = parked();
    const before = story.taskOf('~c').taskId;
    expect(story.when({ type: 'RetryCompensation', unit: 'c', input: 'by name' })).toEqual(['TaskSubmitted ~c']);
    expect(story.taskOf('~c')).toMatchObject({ input: 'by name' });
    expect(story.taskOf('~c').taskId).not.toBe(before);
    expect(story.refuse('~c')).toContain('ExecutionCompensationFailed');
  });

  it('is resolved by a person', () => {
    const story = parked();
    expect(story.when({ type: 'SkipCompensation', unit: 'c', reason: 'done by hand' })).toEqual([
      'CompensationSkipped c',
      'TaskSubmitted ~b',
    ]);
    story.complete('~b');
    expect(story.complete('~a')).toEqual(['TaskCompleted ~a', 'ExecutionCompensated']);
    expect(story.last.at(-1)?.data).toMatchObject({ compensated: 2, skipped: 1 });
  });

  it('is handed over and remains open', () => {
    const story = parked();
    expect(story.when({ type: 'HandOverCompensation', unit: 'c', to: 'ops', note: '4711' })).toEqual([
      'CompensationHandedOver c',
    ]);
    expect(story.state.compensation?.units.get('c')).toMatchObject({ status: 'parked', handedOverTo: 'ops' });
    expect(story.status).toBe('compensation_failed');
  });

  it('may still answer late', () => {
    const story = failing();
    expect(story.lose('~c')).toContain('CompensationParked c');
    expect(story.complete('~c')).toEqual(['TaskCompleted ~c', 'TaskSubmitted ~b']);
    expect(story.status).toBe('compensating');
  });

  it('stays resolved by a person when it answers late', () => {
    const story = failing();
    story.lose('~c');
    story.when({ type: 'SkipCompensation', unit: 'c', reason: 'done by hand' });
    expect(story.complete('~c')).toEqual(['TaskCompleted ~c']);
    story.complete('~b');
    story.complete('~a');
    expect(story.last.at(-1)?.data).toMatchObject({ compensated: 2, skipped: 1 });
  });

  it('can be retried, skipped or handed over only while it is parked', () => {
    const story = parked();
    expect(story.when({ type: 'SkipCompensation', unit: 'b', reason: 'r' })).toEqual(['refused CompensationNotParked']);
    expect(story.when({ type: 'SkipCompensation', unit: 'd', reason: 'r' })).toEqual(['refused CompensationNotFound']);
    expect(story.when({ type: 'HandOverCompensation', unit: 'toString', to: 'x' })).toEqual([
      'refused CompensationNotFound',
    ]);
    expect(chain().when({ type: 'RetryCompensation', unit: 'a' })).toEqual(['refused CompensationNotFound']);
  });
});

describe('an execution that compensates', () => {
  it('starts no step, and cannot be cancelled, retried, skipped or expired', () => {
    const story = failing({ timeoutMs: 1 });
    expect(story.when({ type: 'CancelExecution', compensate: false })).toEqual(['refused ExecutionNotCancellable']);
    expect(story.when({ type: 'RetryExecution' })).toEqual(['refused ExecutionNotRetryable']);
    expect(story.when({ type: 'SkipStep', step: 'd', reason: 'r' })).toEqual(['refused ExecutionEnded']);
    expect(story.after(10).when({ type: 'ExpireExecution' })).toEqual([]);
    story.refuse('~c');
    expect(story.when({ type: 'CancelExecution', compensate: false })).toEqual(['refused ExecutionNotCancellable']);
    expect(story.when({ type: 'SkipStep', step: 'd', reason: 'r' })).toEqual(['refused ExecutionEnded']);
  });

  it('can be paused', () => {
    const story = failing();
    story.when({ type: 'PauseExecution' });
    expect(story.complete('~c')).toEqual(['TaskCompleted ~c']);
    expect(story.when({ type: 'ResumeExecution' })).toEqual(['ExecutionResumed', 'TaskSubmitted ~b']);
  });

  it('begins to compensate when it is resumed, if it failed while paused', () => {
    const story = chain();
    story.complete('a');
    story.when({ type: 'PauseExecution' });
    expect(story.refuse('b')).toEqual([
      'TaskAttemptFailed b',
      'TaskFailed b',
      'ExecutionAborting step_failed backward',
      'CompensationStarted a',
    ]);
    expect(story.when({ type: 'ResumeExecution' })).toEqual(['ExecutionResumed', 'TaskSubmitted ~a']);
  });

  it('is compensated at once when it is cancelled while paused', () => {
    const story = chain();
    story.complete('a');
    story.when({ type: 'PauseExecution' });
    story.when({ type: 'CancelExecution', compensate: true });
    expect(story.release('b', false)).toEqual(['TaskCancelled b', 'CompensationStarted a', 'TaskSubmitted ~a']);
  });

  it('gives a compensation all its attempts', () => {
    const compensation = { capability: 'undo', retry: { kind: 'immediate', maxAttempts: 2 } } as const;
    const story = Story.of([step('a', [], { compensation }), step('b', ['a'])]);
    story.complete('a');
    story.refuse('b');
    expect(story.fail('~a')).toEqual(['TaskAttemptFailed ~a']);
    expect(story.complete('~a', 1, { attempt: 2 })).toContain('ExecutionCompensated');
  });

  it('is not stopped by the pool: compensation goes on while it aborts', () => {
    const story = failing();
    expect(story.release('~c', false)).toEqual([]);
    expect(story.release('~c', true)).toEqual([]);
  });

  it('is compensated after its deadline', () => {
    const story = chain({ timeoutMs: 1_000 });
    story.complete('a');
    expect(story.after(1_000).when({ type: 'ExpireExecution' })).toEqual([
      'ExecutionAborting deadline_passed backward !',
    ]);
    expect(story.release('b', true)).toEqual(['TaskCancelled b', 'CompensationStarted b a<b', 'TaskSubmitted ~b']);
  });

  it('can be one that failed and is then cancelled with compensation', () => {
    const story = Story.of([compensable('a'), step('b', ['a'])], { output: '= tasks.b.output.missing' });
    story.complete('a');
    expect(story.complete('b', {})).toContain('ExecutionFailed OUTPUT_FAILED');
    expect(story.when({ type: 'CancelExecution', compensate: true })).toEqual([
      'ExecutionAborting cancelled backward !',
      'CompensationStarted a',
      'TaskSubmitted ~a',
    ]);
  });
});

describe('a result at the depth limit', () => {
  const deep = (levels: number): Json => (levels === 0 ? 1 : [deep(levels - 1)]);
  /** What would keep an event out of the log. */
  const problems = (story: Story): string[] =>
    story.last.flatMap(({ type, data }) => {
      const parsed = domainEvents[type].schema.safeParse(data);
      return parsed.success ? [] : [`${type}: ${parsed.error.message}`];
    });

  it('can be compensated: its envelope is recorded', () => {
    const story = Story.of([compensable('a'), step('b', ['a'])]);
    story.complete('a', deep(64));
    expect(problems(story)).toEqual([]);
    expect(story.refuse('b')).toContain('TaskSubmitted ~a');
    expect(problems(story)).toEqual([]);
    expect(story.taskOf('~a').input).toMatchObject({ output: deep(64) });
  });

  it('reaches its dependants and the output, even through a list of results', () => {
    const story = new Story();
    const tasks = [
      step('a', [], { forEach: { items: '[1, 2]' } }),
      step('b', ['a'], { input: { of: '= tasks.a.output' } }),
    ];
    story.start({ tasks: [...tasks, step('c', ['a'])] });
    story.complete('a[0]', deep(64));
    expect(story.complete('a[1]', deep(64))).toContain('TaskSubmitted b');
    expect(problems(story)).toEqual([]);
    expect(story.taskOf('c').input).toEqual({ a: [deep(64), deep(64)] });
    story.complete('b', deep(64));
    expect(story.complete('c', deep(64))).toContain('ExecutionCompleted');
    expect(problems(story)).toEqual([]);
  });

  it('fails the step whose input would be too deep, and completed steps are compensated', () => {
    const input = { a: { b: Array.from({ length: 1 }, () => '= tasks.a.output') } };
    const nested = Array.from({ length: 20 }).reduce<Json>((inner) => [inner], input);
    const story = Story.of([compensable('a'), step('b', ['a'], { input: nested })]);
    expect(story.complete('a', deep(64))).toEqual([
      'TaskCompleted a',
      'StepFailed b INPUT_TOO_DEEP',
      'ExecutionAborting step_failed backward',
      'CompensationStarted a',
      'TaskSubmitted ~a',
    ]);
    expect(problems(story)).toEqual([]);
  });
});
