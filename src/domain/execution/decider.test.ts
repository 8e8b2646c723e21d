import { describe, expect, it } from 'vitest';
import { definitionWith, EXECUTION, Story, step } from '../../../test/support/story.ts';
import { byteLengthOf, MAX_PAYLOAD_BYTES } from '../json.ts';
import { rejected } from '../result.ts';
import { signal as decideSignal, MAX_SIGNALS } from './decide/waits.ts';
import { timeSpent } from './time-spent.ts';

const typesOf = (story: Story): string[] => story.last.map(({ type }) => type);
const inputOf = (story: Story, unit: string) => story.taskOf(unit).input;

describe('an execution that nobody started', () => {
  it('accepts no command', () =>
    expect(new Story().when({ type: 'ResumeExecution' })).toEqual(['refused ExecutionNotFound']));

  it('starts with every step that has no dependencies', () =>
    expect(new Story().start({ tasks: [step('a'), step('b'), step('c', ['a'])] })).toEqual([
      'ExecutionStarted',
      'TaskSubmitted a',
      'TaskSubmitted b',
    ]));

  it('starts only once', () => expect(Story.of([step('a')]).start({})).toEqual(['refused ExecutionAlreadyExists']));
});

describe('a chain', () => {
  const chain = () => Story.of([step('a'), step('b', ['a']), step('c', ['b'])], {}, { input: { order: 7 } });

  it('starts a step in the same decision in which the step before it completes', () => {
    const story = chain();
    expect(story.complete('a')).toEqual(['TaskCompleted a', 'TaskSubmitted b']);
    expect(story.complete('b')).toEqual(['TaskCompleted b', 'TaskSubmitted c']);
    expect(story.complete('c')).toEqual(['TaskCompleted c', 'ExecutionCompleted']);
    expect(story.last.at(-1)?.data).toMatchObject({ output: { c: 'c done' } });
  });

  it('gives its input to the root and the outputs of its dependencies to every other step', () => {
    const story = chain();
    story.complete('a', [1, 2]);
    expect(inputOf(story, 'a')).toEqual({ order: 7 });
    expect(inputOf(story, 'b')).toEqual({ a: [1, 2] });
  });

  it('accepts no result twice, and none of another attempt', () => {
    const story = chain();
    expect(story.complete('a', 1, { attempt: 2 })).toEqual(['refused StaleAttempt']);
    story.complete('a');
    expect(story.complete('a')).toEqual(['refused TaskNotRunning']);
  });

  it('accepts commands for its own tasks only', () =>
    expect(
      chain().when({ type: 'ReleaseTask', taskId: '3f2c1d7e-0b5a-5e4c-9a7b-1c2d3e4f5a6b', attempt: 1, held: true }),
    ).toEqual([]));

  it('retries a step before the step fails', () => {
    const story = Story.of([step('a', [], { retry: { kind: 'fixed', maxAttempts: 2, baseMs: 5, jitter: 0 } })]);
    expect(story.fail('a')).toEqual(['TaskAttemptFailed a']);
    expect(story.fail('a', 2)).toEqual([
      'TaskAttemptFailed a',
      'TaskFailed a',
      'ExecutionAborting step_failed',
      'ExecutionFailed FAILED',
    ]);
    expect(story.status).toBe('failed');
  });
});

describe('a diamond', () => {
  const diamond = () => Story.of([step('a'), step('b', ['a']), step('c', ['a']), step('d', ['b', 'c'])]);

  it('runs both sides and waits for both', () => {
    const story = diamond();
    expect(story.complete('a')).toEqual(['TaskCompleted a', 'TaskSubmitted b', 'TaskSubmitted c']);
    expect(story.complete('c')).toEqual(['TaskCompleted c']);
    expect(story.complete('b')).toEqual(['TaskCompleted b', 'TaskSubmitted d']);
    expect(inputOf(story, 'd')).toEqual({ b: 'b done', c: 'c done' });
  });

  it('waits for tasks that agents hold when one side fails, and cancels those that no agent holds', () => {
    const story = diamond();
    story.complete('a');
    expect(story.refuse('b')).toEqual(['TaskAttemptFailed b', 'TaskFailed b', 'ExecutionAborting step_failed']);
    expect(story.release('c', true)).toEqual([]);
    expect(story.complete('c')).toEqual(['TaskCompleted c', 'ExecutionFailed REFUSED']);
    const other = diamond();
    other.complete('a');
    other.refuse('b');
    expect(other.release('c', false)).toEqual(['TaskCancelled c', 'ExecutionFailed REFUSED']);
  });

  it('gives a step no further attempt while it aborts', () => {
    const retry = { kind: 'immediate', maxAttempts: 5 } as const;
    const story = Story.of([step('a'), step('b', [], { retry })]);
    story.refuse('a');
    expect(story.fail('b')).toEqual(['TaskAttemptFailed b', 'TaskFailed b', 'ExecutionFailed REFUSED']);
    expect(story.last.find(({ type }) => type === 'TaskFailed')?.data).toMatchObject({ reason: 'execution_aborting' });
  });

  it('tells a pool that knows an older attempt about the newer one', () => {
    const story = Story.of([step('a'), step('b', [], { retry: { kind: 'immediate', maxAttempts: 5 } })]);
    story.fail('b');
    story.refuse('a');
    expect(story.release('b', false, 1)).toEqual(['refused StaleAttempt']);
    expect(story.release('b', false, 2)).toEqual(['TaskCancelled b', 'ExecutionFailed REFUSED']);
  });
});

describe('a condition', () => {
  it('that is false skips the step and everything that depends on nothing else', () => {
    const tasks = [
      step('a', [], { when: 'false' }),
      step('b', ['a']),
      step('c', ['b']),
      step('d'),
      step('e', ['c', 'd']),
    ];
    const story = new Story();
    expect(story.start({ tasks })).toEqual([
      'ExecutionStarted',
      'StepSkipped a condition',
      'TaskSubmitted d',
      'StepSkipped b dependencies',
      'StepSkipped c dependencies',
    ]);
    expect(story.complete('d')).toEqual(['TaskCompleted d', 'TaskSubmitted e']);
    expect(inputOf(story, 'e')).toEqual({ c: null, d: 'd done' });
  });

  it('can read earlier outputs', () => {
    const tasks = [step('a'), step('b', ['a'], { when: 'tasks.a.output.total > 10' })];
    expect(Story.of(tasks).complete('a', { total: 11 })).toContain('TaskSubmitted b');
    expect(Story.of(tasks).complete('a', { total: 10 })).toEqual([
      'TaskCompleted a',
      'StepSkipped b condition',
      'ExecutionCompleted',
    ]);
  });

  it.each([
    [{ none: 1 }, 'No such key: total'],
    [{ total: 'x' }, 'no such overload'],
  ])('that cannot be evaluated on %j fails the step with a sentence', (result, message) => {
    const story = Story.of([step('a'), step('b', ['a'], { when: 'tasks.a.output.total > 10' })]);
    expect(story.complete('a', result)).toEqual([
      'TaskCompleted a',
      'StepFailed b EXPRESSION_FAILED',
      'ExecutionAborting step_failed',
      'ExecutionFailed EXPRESSION_FAILED',
    ]);
    expect(story.state.error?.message).toContain(message);
  });

  it('that is neither true nor false fails the step', () => {
    const story = Story.of([step('a', [], { when: '1 + 1' })]);
    expect(story.state.error?.message).toBe('when "1 + 1": gave 2, not true or false');
  });

  it('that skips everything completes the execution', () =>
    expect(new Story().start({ tasks: [step('a', [], { when: 'false' })] })).toEqual([
      'ExecutionStarted',
      'StepSkipped a condition',
      'ExecutionCompleted',
    ]));
});

describe('a step that fails where others go on', () => {
  const join = (onFailure: 'skip' | 'continue') =>
    Story.of([step('a', [], { onFailure }), step('b', ['a']), step('c'), step('d', ['b', 'c'])]);

  it('is skipped together with the steps that depend on it alone', () => {
    const story = join('skip');
    expect(story.refuse('a')).toEqual(['TaskAttemptFailed a', 'TaskFailed a', 'StepSkipped b dependencies']);
    expect(story.complete('c')).toEqual(['TaskCompleted c', 'TaskSubmitted d']);
    expect(story.complete('d')).toEqual(['TaskCompleted d', 'ExecutionCompleted']);
  });

  it('counts as completed with null', () => {
    const story = join('continue');
    expect(story.refuse('a')).toEqual(['TaskAttemptFailed a', 'TaskFailed a', 'TaskSubmitted b']);
    expect(inputOf(story, 'b')).toEqual({ a: null });
  });

  it('can make its status visible to the steps that go on', () => {
    const story = Story.of([
      step('a', [], { onFailure: 'continue' }),
      step('b', ['a'], { when: 'tasks.a.status == "failed"' }),
    ]);
    expect(story.refuse('a')).toContain('TaskSubmitted b');
  });

  it('lets them go on when its outcome is unknown, and accepts a late answer', () => {
    const story = join('continue');
    expect(story.lose('a')).toEqual(['TaskOutcomeUnknown a', 'TaskSubmitted b']);
    expect(story.complete('a')).toEqual(['TaskCompleted a']);
    expect(story.phaseOf('a')).toBe('completed');
  });
});

describe('a step that runs for each item of a list', () => {
  const each = (items: string, facts: Parameters<typeof step>[2] = {}, maxParallel = 200) =>
    Story.of([step('a', [], { forEach: { items }, ...facts }), step('b', ['a'])], {
      coordination: { maxParallel },
    });

  it('has a task for each item, and their outputs in order', () => {
    const story = each('[10, 20]');
    expect(story.last.map(({ type }) => type)).toEqual([
      'ExecutionStarted',
      'StepExpanded',
      'TaskSubmitted',
      'TaskSubmitted',
    ]);
    expect([inputOf(story, 'a[0]'), inputOf(story, 'a[1]')]).toEqual([10, 20]);
    expect(story.complete('a[1]', 'two')).toEqual(['TaskCompleted a[1]']);
    expect(story.complete('a[0]', 'one')).toEqual(['TaskCompleted a[0]', 'TaskSubmitted b']);
    expect(inputOf(story, 'b')).toEqual({ a: ['one', 'two'] });
  });

  it('makes its inputs from the item and its index', () => {
    const story = each('["x", "y"]', { input: { at: '= index + 1', what: '= item' } });
    expect(inputOf(story, 'a[1]')).toEqual({ at: 2, what: 'y' });
  });

  it('never runs more items than the execution’s limit', () => {
    const story = each('[1, 2, 3, 4]', {}, 2);
    expect(story.state.openTasks).toBe(2);
    expect(story.complete('a[0]')).toEqual(['TaskCompleted a[0]', 'TaskSubmitted a[2]']);
    expect(story.complete('a[2]')).toEqual(['TaskCompleted a[2]', 'TaskSubmitted a[3]']);
  });

  it('completes at once with an empty list', () => expect(each('[]').state.openTasks).toBe(1));

  it('fails when one item fails', () => {
    const story = each('[1, 2, 3]', {}, 2);
    expect(story.refuse('a[0]')).toEqual([
      'TaskAttemptFailed a[0]',
      'TaskFailed a[0]',
      'ExecutionAborting step_failed',
    ]);
    expect(story.last.at(-1)?.data).toMatchObject({ unit: 'a[0]' });
    expect(story.complete('a[1]')).toEqual(['TaskCompleted a[1]', 'ExecutionFailed REFUSED']);
  });

  it.each(['skip', 'continue'] as const)('leaves out items that fail under %s', (onFailure) => {
    const story = each('[1, 2, 3]', { onFailure });
    expect(story.refuse('a[0]')).toEqual(['TaskAttemptFailed a[0]', 'TaskFailed a[0]']);
    story.lose('a[1]');
    story.complete('a[2]', 'three');
    expect(inputOf(story, 'b')).toEqual({ a: [null, null, 'three'] });
  });

  it('keeps its output when an item answers after the step has completed', () => {
    const story = each('[1, 2]', { onFailure: 'continue' });
    story.lose('a[0]');
    story.complete('a[1]', 'two');
    expect(story.complete('a[0]', 'late')).toEqual(['TaskCompleted a[0]']);
    expect(story.state.steps.get(0)).toMatchObject({ phase: 'completed', unit: { output: [null, 'two'] } });
  });

  it.each([
    ['input.n', 'EXPRESSION_FAILED'],
    ['"text"', 'EXPRESSION_FAILED'],
  ])('fails when %s is not a list', (items, code) => {
    const story = new Story();
    expect(story.start({ tasks: [step('a', [], { forEach: { items } })] }, { input: { n: 1 } })).toContain(
      `StepFailed a ${code}`,
    );
  });

  it('fails when the list is too long', () => {
    const tasks = [step('a', [], { forEach: { items: '[1, 2, 3]', maxItems: 2 } })];
    expect(new Story().start({ tasks })).toContain('StepFailed a TOO_MANY_ITEMS');
  });

  it('lets others go on after an item without an input only once its other items have ended', () => {
    const story = each('[1, 2]', { onFailure: 'continue', input: '= [1][int(index)]' });
    expect(story.state.openTasks).toBe(1);
    expect(story.complete('a[0]')).toEqual(['TaskCompleted a[0]', 'StepFailed a EXPRESSION_FAILED', 'TaskSubmitted b']);
  });

  it('repeats only the items that did not complete', () => {
    const story = each('[1, 2, 3]');
    story.complete('a[0]');
    story.refuse('a[1]');
    story.release('a[2]', false);
    const before = story.taskOf('a[1]').taskId;
    const cancelled = story.taskOf('a[2]').taskId;
    expect(story.when({ type: 'RetryExecution' })).toEqual([
      'ExecutionReopened a',
      'TaskRedriven a[1] #2',
      'TaskSubmitted a[2]',
    ]);
    expect(story.taskOf('a[1]').taskId).toBe(before);
    expect(story.taskOf('a[2]').taskId).not.toBe(cancelled);
    story.complete('a[2]');
    expect(story.complete('a[1]', 'again', { attempt: 2 })).toEqual(['TaskCompleted a[1]', 'TaskSubmitted b']);
  });

  it('completes when a late answer replaces the failure of its last item', () => {
    const story = each('[1, 2]');
    story.complete('a[0]');
    story.lose('a[1]');
    expect(story.complete('a[1]')).toEqual(['TaskCompleted a[1]']);
    expect(story.when({ type: 'RetryExecution' })).toEqual(['ExecutionReopened', 'TaskSubmitted b']);
  });

  it('repeats items that had failed where others go on', () => {
    const story = each('[1, 2]', { onFailure: 'continue' });
    story.refuse('a[0]');
    story.when({ type: 'CancelExecution', compensate: false });
    story.release('a[1]', true);
    expect(story.status).toBe('cancelled');
    const other = Story.of([
      step('a', [], { forEach: { items: '[1, 2]' }, onFailure: 'continue' }),
      step('x'),
      step('b', ['a']),
    ]);
    other.refuse('a[0]');
    other.refuse('x');
    other.release('a[1]', false);
    other.when({ type: 'RetryExecution' });
    other.complete('a[0]', 'again', { attempt: 2 });
    expect(other.complete('a[1]', 'two')).toEqual(['TaskCompleted a[1]', 'TaskSubmitted b']);
    expect(inputOf(other, 'b')).toEqual({ a: ['again', 'two'] });
  });

  it('does not change after a person has skipped it', () => {
    const story = Story.of(
      [step('a', [], { forEach: { items: '[1, 2, 3]' } }), step('b', ['a']), step('c', ['b', 'd']), step('d')],
      {
        coordination: { maxParallel: 2 },
      },
    );
    story.refuse('a[0]');
    story.release('a[1]', false);
    expect(story.when({ type: 'SkipStep', step: 'a', reason: 'no need' })).toEqual([
      'ExecutionReopened',
      'StepSkipped a person',
      'TaskSubmitted d',
      'TaskSubmitted b',
    ]);
  });
});

describe('a delay', () => {
  const delayed = () => Story.of([step('a', [], { delayMs: 1_000 }), step('b', ['a'])]);

  it('ends at its time and not before', () => {
    const story = delayed();
    expect(story.last.at(-1)?.data).toMatchObject({ kind: 'delay', dueAt: '2026-03-01T12:00:01.000Z' });
    expect(story.after(999).when({ type: 'WakeStep', step: 'a' })).toEqual([]);
    expect(story.after(1).when({ type: 'WakeStep', step: 'a' })).toEqual(['StepCompleted a', 'TaskSubmitted b']);
    expect(story.when({ type: 'WakeStep', step: 'a' })).toEqual([]);
  });

  it('ends earlier when it is over by the clock of the leader', () => {
    const story = delayed();
    const dueMs = Date.parse('2026-03-01T12:00:01.000Z');
    expect(story.when({ type: 'WakeStep', step: 'a', dueMs: dueMs - 1 })).toEqual([]);
    expect(story.when({ type: 'WakeStep', step: 'a', dueMs })).toEqual(['StepCompleted a', 'TaskSubmitted b']);
  });

  it('can be skipped by a person', () =>
    expect(delayed().when({ type: 'SkipStep', step: 'a', reason: 'now' })).toEqual([
      'StepSkipped a person',
      'TaskSubmitted b',
    ]));
});

describe('an event from outside', () => {
  const waitFor = { kind: 'event', name: 'paid' } as const;
  const signal = (payload: number, name = 'paid') => ({ type: 'SignalExecution', name, payload }) as const;

  it('is delivered to the first step that waits for it', () => {
    const story = Story.of([step('a', [], { waitFor }), step('b', [], { waitFor })]);
    expect(story.when(signal(2))).toEqual(['ExecutionSignalled', 'StepCompleted a']);
    expect(story.when(signal(3))).toEqual(['ExecutionSignalled', 'StepCompleted b', 'ExecutionCompleted']);
    expect(story.state.output).toEqual({ a: 2, b: 3 });
  });

  it('that arrives before its step waits is kept in order and delivered once', () => {
    const story = Story.of([
      step('x'),
      step('a', ['x'], { waitFor }),
      step('b', ['a'], { waitFor }),
      step('c', ['b'], { waitFor }),
    ]);
    story.when(signal(1));
    story.when(signal(2));
    expect(story.complete('x')).toEqual([
      'TaskCompleted x',
      'StepWaiting a event',
      'StepCompleted a',
      'StepWaiting b event',
      'StepCompleted b',
      'StepWaiting c event',
    ]);
    expect(story.state.signals).toEqual([]);
  });

  it('is kept only up to a limit, and not after the end', () => {
    const story = Story.of([step('a'), step('b', ['a'], { waitFor })]);
    for (let n = 0; n < MAX_SIGNALS; n += 1) story.when(signal(n));
    expect(story.when(signal(0))).toEqual(['refused TooManySignals']);
    story.complete('a');
    expect(story.when(signal(0))).toEqual(['refused ExecutionEnded']);
  });

  it('that no step waits for is refused, with the name that was probably meant', () => {
    const story = Story.of([
      step('a', [], { waitFor }),
      step('b', ['a'], { waitFor: { kind: 'event', name: 'shipped' } }),
    ]);
    const refusal = (name: string) =>
      decideSignal({ ...signal(1, name), now: '2026-03-01T12:00:00.000Z' }, story.state);
    expect(refusal('piad')).toEqual(
      rejected({ reason: 'UnknownSignal', name: 'piad', names: ['paid', 'shipped'], suggestion: 'paid' }),
    );
    expect(refusal('cancelled')).toEqual(
      rejected({ reason: 'UnknownSignal', name: 'cancelled', names: ['paid', 'shipped'] }),
    );
    expect(story.when(signal(1, 'shipped'))).toEqual(['ExecutionSignalled']);
  });

  it('that does not arrive in time fails the step', () => {
    const story = Story.of([step('a', [], { waitFor: { ...waitFor, timeoutMs: 60_000 } })]);
    expect(story.after(60_000).when({ type: 'WakeStep', step: 'a' })).toEqual([
      'StepFailed a WAIT_TIMED_OUT',
      'ExecutionAborting step_failed',
      'ExecutionFailed WAIT_TIMED_OUT',
    ]);
  });

  it('is waited for again after a failure', () => {
    const story = Story.of([step('a', [], { waitFor }), step('x')]);
    story.refuse('x');
    expect(story.phaseOf('a')).toBe('cancelled');
    expect(story.when({ type: 'RetryExecution' })).toEqual([
      'ExecutionReopened a x',
      'StepWaiting a event',
      'TaskRedriven x #2',
    ]);
  });
});

describe('a decision', () => {
  const decide = (option: string, id = 'a') => ({ type: 'DecideStep', step: id, option, by: 'user:ada' }) as const;
  const asked = (options?: string[]) =>
    Story.of([
      step('a', [], { waitFor: { kind: 'decision', name: 'release', ...(options ? { options } : {}) } }),
      step('b'),
    ]);

  it('is one of its options', () => {
    const story = asked(['now', 'later']);
    expect(story.when(decide('approved'))).toEqual(['refused UnknownOption']);
    expect(story.when({ ...decide('later'), comment: 'on Monday' })).toEqual(['StepCompleted a']);
    expect(story.last[0]?.data).toMatchObject({ output: { option: 'later', by: 'user:ada', comment: 'on Monday' } });
    expect(story.when(decide('now'))).toEqual(['refused StepNotWaiting']);
  });

  it('is approved or rejected where no options are named', () => {
    expect(asked().when(decide('approved'))).toEqual(['StepCompleted a']);
    expect(asked().when(decide('rejected'))).toEqual(['StepCompleted a']);
    expect(asked().when(decide('maybe'))).toEqual(['refused UnknownOption']);
  });

  it('is accepted only by a step that waits for one', () => {
    expect(asked().when(decide('approved', 'b'))).toEqual(['refused StepNotWaiting']);
    expect(asked().when(decide('approved', 'toString'))).toEqual(['refused StepNotFound']);
  });
});

describe('a sub-workflow', () => {
  const parent = () =>
    Story.of(
      [step('a', [], { workflow: { name: 'child', version: '2.0.0' }, input: { n: '= input' } }), step('b', ['a'])],
      {},
      { input: 3 },
    );
  const childOf = (story: Story): string => story.state.steps.get(0).waiting?.childId ?? '';
  const completed = { status: 'completed', output: 'grown up' } as const;
  const failed = {
    status: 'failed',
    error: { code: 'REFUSED', message: 'no', source: 'agent', retryable: false },
  } as const;

  it('starts with the input of the step, and its output becomes that of the step', () => {
    const story = parent();
    expect(story.last.at(-1)?.data).toMatchObject({
      kind: 'workflow',
      child: { name: 'child', version: '2.0.0', input: { n: 3 } },
    });
    expect(story.when({ type: 'CloseChild', step: 'a', childId: childOf(story), outcome: completed })).toEqual([
      'StepCompleted a',
      'TaskSubmitted b',
    ]);
    expect(inputOf(story, 'b')).toEqual({ a: 'grown up' });
  });

  it('closes the step once, and no other execution can close it', () => {
    const story = parent();
    const childId = childOf(story);
    expect(story.when({ type: 'CloseChild', step: 'a', childId: EXECUTION, outcome: completed })).toEqual([]);
    story.when({ type: 'CloseChild', step: 'a', childId, outcome: completed });
    expect(story.when({ type: 'CloseChild', step: 'a', childId, outcome: completed })).toEqual([]);
  });

  it('that fails also fails the step; a retry starts a new one', () => {
    const story = parent();
    const childId = childOf(story);
    expect(story.when({ type: 'CloseChild', step: 'a', childId, outcome: failed })).toContain(
      'ExecutionFailed REFUSED',
    );
    expect(story.when({ type: 'RetryExecution' })).toEqual(['ExecutionReopened a', 'StepWaiting a workflow']);
    expect(childOf(story)).not.toBe(childId);
  });

  it('must end before the execution ends, and cannot be skipped', () => {
    const story = parent();
    expect(story.when({ type: 'SkipStep', step: 'a', reason: 'no' })).toEqual(['refused StepNotSkippable']);
    expect(story.when({ type: 'CancelExecution', compensate: false })).toEqual(['ExecutionAborting cancelled !']);
    expect(story.when({ type: 'CloseChild', step: 'a', childId: childOf(story), outcome: failed })).toEqual([
      'StepFailed a REFUSED',
      'ExecutionCancelled',
    ]);
  });
});

describe('a paused execution', () => {
  it('starts nothing new, lets what runs go on, and catches up', () => {
    const story = Story.of([step('a'), step('b', ['a'])]);
    expect(story.when({ type: 'PauseExecution', reason: 'lunch' })).toEqual(['ExecutionPaused']);
    expect(story.status).toBe('paused');
    expect(story.when({ type: 'PauseExecution' })).toEqual(['refused ExecutionNotPausable']);
    expect(story.complete('a')).toEqual(['TaskCompleted a']);
    expect(story.when({ type: 'ResumeExecution' })).toEqual(['ExecutionResumed', 'TaskSubmitted b']);
    expect(story.when({ type: 'ResumeExecution' })).toEqual(['refused ExecutionNotPaused']);
  });

  it('completes when it goes on', () => {
    const story = Story.of([step('a')]);
    story.when({ type: 'PauseExecution' });
    story.complete('a');
    expect(story.when({ type: 'ResumeExecution' })).toEqual(['ExecutionResumed', 'ExecutionCompleted']);
  });

  it('fails at once', () => {
    const story = Story.of([step('a')]);
    story.when({ type: 'PauseExecution' });
    expect(story.refuse('a')).toContain('ExecutionFailed REFUSED');
    expect(story.when({ type: 'PauseExecution' })).toEqual(['refused ExecutionNotPausable']);
  });
});

describe('a cancelled execution', () => {
  it('withdraws work from agents, and accepts no results afterwards', () => {
    const story = Story.of([step('a'), step('b', ['a'])]);
    expect(story.when({ type: 'CancelExecution', compensate: false, reason: 'changed my mind' })).toEqual([
      'ExecutionAborting cancelled !',
    ]);
    expect(story.when({ type: 'CancelExecution', compensate: false })).toEqual(['refused ExecutionNotCancellable']);
    expect(story.release('a', true)).toEqual(['TaskCancelled a', 'ExecutionCancelled']);
    expect(story.last[0]?.data).toMatchObject({ interrupted: true });
    expect(story.last[1]?.data).toMatchObject({ reason: 'changed my mind' });
    expect(story.complete('a')).toEqual(['refused TaskNotRunning']);
  });

  it('accepts a result that arrives before its agent is told to stop', () => {
    const story = Story.of([step('a'), step('b', ['a'])]);
    story.when({ type: 'CancelExecution', compensate: false });
    expect(story.complete('a')).toEqual(['TaskCompleted a', 'ExecutionCancelled']);
    expect(story.release('a', true)).toEqual([]);
  });

  it('stops waiting for agents when a person says so', () => {
    const story = Story.of([step('a'), step('b')]);
    story.refuse('a');
    expect(story.when({ type: 'CancelExecution', compensate: false })).toEqual(['ExecutionAborting step_failed !']);
    expect(story.release('b', true)).toEqual(['TaskCancelled b', 'ExecutionFailed REFUSED']);
  });

  it('may have failed before', () => {
    const story = Story.of([step('a')]);
    story.refuse('a');
    expect(story.when({ type: 'CancelExecution', compensate: false })).toEqual([
      'ExecutionAborting cancelled !',
      'ExecutionCancelled',
    ]);
    expect(story.when({ type: 'RetryExecution' })).toEqual(['refused ExecutionNotRetryable']);
  });
});

describe('a deadline', () => {
  it('ends the execution when it has passed, and only then', () => {
    const story = Story.of([step('a')], { timeoutMs: 1_000 });
    expect(story.after(999).when({ type: 'ExpireExecution' })).toEqual([]);
    expect(story.after(1).when({ type: 'ExpireExecution' })).toEqual(['ExecutionAborting deadline_passed !']);
    expect(story.release('a', false)).toEqual(['TaskCancelled a', 'ExecutionFailed DEADLINE_PASSED']);
    expect(story.when({ type: 'ExpireExecution' })).toEqual([]);
  });

  it('does not exist where none was set', () =>
    expect(
      Story.of([step('a')])
        .after(1e9)
        .when({ type: 'ExpireExecution' }),
    ).toEqual([]));
});

describe('a failed execution', () => {
  const failed = () => {
    const story = Story.of([step('a'), step('b', ['a']), step('c', ['b'])]);
    story.complete('a', 1);
    story.refuse('b');
    return story;
  };

  it('goes on with the same task and the next attempt', () => {
    const story = failed();
    expect(story.when({ type: 'RetryExecution' })).toEqual(['ExecutionReopened b', 'TaskRedriven b #2']);
    expect(story.complete('b', 1, { attempt: 1 })).toEqual(['refused StaleAttempt']);
    expect(story.complete('b', 2, { attempt: 2 })).toEqual(['TaskCompleted b', 'TaskSubmitted c']);
  });

  it('goes on with another input as another task', () => {
    const story = failed();
    const before = story.taskOf('b').taskId;
    expect(story.when({ type: 'RetryExecution', step: 'b', input: { other: true } })).toEqual([
      'ExecutionReopened b',
      'TaskSubmitted b',
    ]);
    expect(story.taskOf('b')).toMatchObject({ input: { other: true } });
    expect(story.taskOf('b').taskId).not.toBe(before);
    story.refuse('b');
    expect(story.when({ type: 'RetryExecution' })).toEqual(['ExecutionReopened b', 'TaskRedriven b #2']);
  });

  it('goes on without the step', () => {
    const story = failed();
    expect(story.when({ type: 'SkipStep', step: 'b', reason: 'done by hand' })).toEqual([
      'ExecutionReopened',
      'StepSkipped b person',
      'TaskSubmitted c',
    ]);
    expect(story.taskOf('c').input).toEqual({ b: null });
  });

  it('accepts only commands that make sense', () => {
    const story = failed();
    expect(story.when({ type: 'RetryExecution', step: 'x' })).toEqual(['refused StepNotFound']);
    expect(story.when({ type: 'RetryExecution', step: 'a' })).toEqual(['refused StepNotRetryable']);
    expect(story.when({ type: 'RetryExecution', input: 1 })).toEqual(['refused StepTakesNoInput']);
    expect(story.when({ type: 'SkipStep', step: 'x', reason: 'r' })).toEqual(['refused StepNotFound']);
    expect(story.when({ type: 'SkipStep', step: 'a', reason: 'r' })).toEqual(['refused StepNotSkippable']);
    expect(Story.of([step('a')]).when({ type: 'RetryExecution' })).toEqual(['refused ExecutionNotRetryable']);
  });

  it('accepts a late answer for a lost result, and goes on from there', () => {
    const story = Story.of([step('a'), step('b', ['a'])]);
    expect(story.lose('a')).toEqual(['TaskOutcomeUnknown a', 'ExecutionAborting step_failed', 'ExecutionFailed LOST']);
    expect(story.complete('a')).toEqual(['TaskCompleted a']);
    expect(story.when({ type: 'RetryExecution' })).toEqual(['ExecutionReopened', 'TaskSubmitted b']);
  });
});

describe('a payload that is too large', () => {
  const large = 'x'.repeat(MAX_PAYLOAD_BYTES / 2);

  it('is not passed on as an input', () => {
    const story = Story.of([step('a'), step('b'), step('c', ['a', 'b'])]);
    story.complete('a', large);
    expect(story.complete('b', large)).toEqual([
      'TaskCompleted b',
      'StepFailed c INPUT_TOO_LARGE',
      'ExecutionAborting step_failed',
      'ExecutionFailed INPUT_TOO_LARGE',
    ]);
  });

  it('is detected without serialising it, however large', () => {
    const tasks = [step('a', [], { forEach: { items: 'input.list.map(x, input.text)', maxItems: 10_000 } })];
    const input = { list: Array.from({ length: 15 }, () => 1), text: 'x'.repeat(200_000) };
    expect(new Story().start({ tasks }, { input })).toContain('StepFailed a INPUT_TOO_LARGE');
  });

  it('as the output of the execution fails it, and each step keeps its own output', () => {
    const story = Story.of([step('a'), step('b')]);
    story.complete('a', large);
    expect(story.complete('b', large)).toEqual(['TaskCompleted b', 'ExecutionFailed OUTPUT_FAILED']);
    expect(story.last.at(-1)?.data).toMatchObject({ error: { message: expect.stringContaining('262144') } });
  });

  it('is split over several decisions, each small enough for one append', () => {
    const tasks = Array.from({ length: 20 }, (_, n) => step(`s${n}`));
    const story = Story.of(tasks, {}, { input: 'x'.repeat(60_000) });
    const sizes = [byteLengthOf(story.last.slice(1).map(({ data }) => data))];
    while (story.status === 'executing') {
      const open = story.log.filter(({ type }) => type === 'TaskSubmitted').length;
      story.complete(`s${open - story.state.openTasks}`);
      sizes.push(byteLengthOf(story.last.map(({ data }) => data)));
    }
    expect(Math.max(...sizes)).toBeLessThan(600_000);
    expect(story.status).toBe('completed');
  });

  it('is limited in lists and in inputs of sub-workflows too', () => {
    const input = { list: Array.from({ length: 1_000 }, () => 'x'.repeat(200)) };
    const lists = Array.from({ length: 8 }, (_, n) => step(`s${n}`, [], { forEach: { items: 'input.list' } }));
    const children = Array.from({ length: 8 }, (_, n) => step(`c${n}`, [], { workflow: { name: 'child' } }));
    for (const tasks of [lists, children]) {
      const story = Story.of(tasks, {}, { input });
      expect(byteLengthOf(story.last.slice(1).map(({ data }) => data))).toBeLessThan(800_000);
    }
  });
});

describe('an output', () => {
  it('is made by its template', () => {
    const story = Story.of([step('a'), step('b', ['a'])], {
      output: { total: '= tasks.a.output.n + 1', last: '= tasks.b.output' },
    });
    story.complete('a', { n: 41 });
    story.complete('b');
    expect(story.state.output).toEqual({ total: 42, last: 'b done' });
  });

  it('that cannot be made fails the execution, which can then be retried', () => {
    const story = Story.of([step('a')], { output: '= tasks.a.output.missing' });
    expect(story.complete('a', {})).toEqual(['TaskCompleted a', 'ExecutionFailed OUTPUT_FAILED']);
    expect(story.when({ type: 'RetryExecution' })).toEqual(['ExecutionReopened', 'ExecutionFailed OUTPUT_FAILED']);
  });
});

describe('inputs that a caller gives', () => {
  it('take precedence over the definition', () => {
    const story = Story.of(
      [step('a', [], { input: { n: 1 } }), step('b')],
      {},
      { inputs: { a: { n: 2 } }, input: 'all' },
    );
    expect([inputOf(story, 'a'), inputOf(story, 'b')]).toEqual([{ n: 2 }, 'all']);
  });
});

describe('time', () => {
  it('is divided into that of agents, that of waits, and the rest', () => {
    const story = Story.of([step('a'), step('b'), step('c', ['a', 'b'], { delayMs: 500 }), step('d', ['c'])]);
    story.after(1_000).complete('a', 1, { durationMs: 800 });
    story.after(200).complete('b', 1, { durationMs: 700 });
    story.after(600).when({ type: 'WakeStep', step: 'c' });
    story.after(300).complete('d', 1, { durationMs: 100 });
    expect(story.last.at(-1)?.data).toMatchObject({ durationMs: 2_100, agentMs: 1_100, waitMs: 600, overheadMs: 400 });
  });

  it('spent in a wait counts even if the wait is cut short', () => {
    const story = Story.of([step('a', [], { waitFor: { kind: 'event', name: 'e' } })]);
    story.after(5_000).when({ type: 'CancelExecution', compensate: false });
    expect(story.last.at(-1)?.data).toMatchObject({ durationMs: 5_000, agentMs: 0, waitMs: 5_000, overheadMs: 0 });
  });

  it('spent in a wait counts while the wait lasts', () => {
    const story = Story.of([step('a', [], { waitFor: { kind: 'event', name: 'e' } })]);
    const nowMs = story.state.startedMs + 3_000;
    expect(timeSpent(story.state, nowMs)).toEqual({ durationMs: 3_000, agentMs: 0, waitMs: 3_000, overheadMs: 0 });
  });
});

describe('an execution that was forked', () => {
  const fork = (
    reused: { stepId: string; status: 'completed' | 'skipped' | 'failed'; output?: number }[],
    tasks = [step('a'), step('b', ['a']), step('c', ['b'])],
  ) => {
    const story = new Story();
    const told = story.start({ tasks }, { forkedFrom: { executionId: EXECUTION, revision: 9, reused } });
    return { story, told };
  };

  it('begins after the steps that it takes over', () => {
    const { story, told } = fork([{ stepId: 'a', status: 'completed', output: 7 }]);
    expect(told).toEqual(['ExecutionStarted', 'TaskSubmitted b']);
    expect(inputOf(story, 'b')).toEqual({ a: 7 });
  });

  it('skips what is cut off, and completes when nothing is left', () => {
    expect(fork([{ stepId: 'a', status: 'skipped' }]).told).toEqual([
      'ExecutionStarted',
      'StepSkipped b dependencies',
      'StepSkipped c dependencies',
      'ExecutionCompleted',
    ]);
  });

  it('repeats failed steps, unless others go on without them', () => {
    expect(fork([{ stepId: 'a', status: 'failed' }]).told).toEqual(['ExecutionStarted', 'TaskSubmitted a']);
    expect(
      fork([{ stepId: 'a', status: 'failed' }], [step('a', [], { onFailure: 'continue' }), step('b', ['a'])]).told,
    ).toEqual(['ExecutionStarted', 'TaskSubmitted b']);
  });
});

describe('a fan-out to 1,000 steps and the fan-in from them', () => {
  it('decides each step once, and starts no more than fit', () => {
    const wide = Array.from({ length: 1_000 }, (_, n) => step(`s${n}`, ['root']));
    const tasks = [
      step('root'),
      ...wide,
      step(
        'end',
        wide.map(({ id }) => id),
      ),
    ];
    const story = Story.of(tasks, { coordination: { maxParallel: 1_000 } });
    story.complete('root', 0);
    expect(byteLengthOf(story.last.map(({ data }) => data))).toBeLessThan(700_000);
    let most = 0;
    for (let n = 0; n < 1_000; n += 1) {
      story.complete(`s${n}`, n);
      most = Math.max(most, story.last.length);
    }
    expect(typesOf(story)).toEqual(['TaskCompleted', 'TaskSubmitted']);
    expect(story.log.filter(({ type }) => type === 'TaskSubmitted')).toHaveLength(1_002);
    expect(most).toBeLessThan(400);
    expect(inputOf(story, 'end')).toMatchObject({ s0: 0, s999: 999 });
    expect(definitionWith({}).definition.tasks).toHaveLength(1);
  });
});
