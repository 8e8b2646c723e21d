import { describe, expect, it } from 'vitest';
import { compensable, Story, step } from '../../../test/support/story.ts';
import { compensationStateOf, stepCompensationStateOf } from './compensation-state.ts';
import { agentGroupsOf, attemptsOf, itemCountsOf, progressOf, startedMsOf, stepsOf } from './steps.ts';

describe('the progress of an execution', () => {
  it('is the lowest level that is not finished', () => {
    const story = Story.of([step('a'), step('b'), step('c', ['a', 'b'])]);
    expect(progressOf(story.state)).toEqual({ kind: 'level', level: 1, levels: 2, steps: ['a', 'b'] });
    story.complete('a');
    expect(progressOf(story.state)).toEqual({ kind: 'level', level: 1, levels: 2, steps: ['b'] });
    story.complete('b');
    expect(progressOf(story.state)).toEqual({ kind: 'level', level: 2, levels: 2, steps: ['c'] });
    story.complete('c');
    expect(progressOf(story.state)).toBeUndefined();
  });

  it('counts closed compensations once there is something to compensate', () => {
    const story = Story.of([compensable('a'), compensable('b', ['a']), step('c', ['b'])], {
      saga: { strategy: 'backward' },
    });
    story.complete('a');
    story.complete('b');
    story.refuse('c');
    expect(progressOf(story.state)).toEqual({ kind: 'compensation', closed: 0, total: 2 });
    story.complete('~b');
    expect(progressOf(story.state)).toEqual({ kind: 'compensation', closed: 1, total: 2 });
  });
});

describe('a step that runs for each item of a list', () => {
  it('counts its items by outcome', () => {
    const story = Story.of(
      [step('a', [], { forEach: { items: 'input' }, onFailure: 'continue' })],
      { coordination: { maxParallel: 3 } },
      { input: [1, 2, 3, 4, 5] },
    );
    story.complete('a[0]');
    story.refuse('a[1]');
    expect(stepsOf(story.state).map(({ state }) => itemCountsOf(state))).toEqual([
      { total: 5, open: 3, completed: 1, failed: 1, ended: 2 },
    ]);
    expect(stepsOf(story.state).map(attemptsOf)).toEqual([5]);
  });
});

describe('the start of a step', () => {
  it('is the time when it was first offered to an agent, or began to wait', () => {
    const story = Story.of([step('a'), step('b', ['a']), step('sleep', [], { delayMs: 1_000 })]);
    const start = Date.parse(story.now());
    expect(stepsOf(story.state).map(startedMsOf)).toEqual([start, undefined, start]);
    story.after(50).complete('a');
    expect(stepsOf(story.state).map(startedMsOf)).toEqual([start, start + 50, start]);
  });
});

describe('the agents of an execution', () => {
  it('are grouped by role, and by capability where a step names no role', () => {
    const story = Story.of([
      step('a'),
      step('b'),
      step('c', [], { capability: 'other' }),
      step('sleep', [], { delayMs: 1 }),
    ]);
    expect(
      agentGroupsOf(story.state).map(({ capability, pool, views }) => [capability, pool, views.map((v) => v.step.id)]),
    ).toEqual([
      ['work', 'default', ['a', 'b']],
      ['other', 'default', ['c']],
    ]);
  });
});

describe('the compensation of a step', () => {
  const failing = () => {
    const story = Story.of([compensable('a'), compensable('b', ['a']), step('c', ['b'])], {
      saga: { strategy: 'backward' },
    });
    story.complete('a');
    story.complete('b');
    return story;
  };
  const states = (story: Story) => stepsOf(story.state).map(stepCompensationStateOf);

  it('is defined until the step needs it', () => expect(states(failing())).toEqual(['defined', 'defined', undefined]));

  it('is pending, runs, is parked, is handed over and completes', () => {
    const story = failing();
    story.refuse('c');
    expect(states(story)).toEqual(['owed', 'running', undefined]);
    story.refuse('~b');
    expect(states(story)[1]).toBe('parked');
    story.when({ type: 'HandOverCompensation', unit: 'b', to: 'ops' });
    expect(states(story)[1]).toBe('handed_over');
    story.when({ type: 'RetryCompensation', unit: 'b' });
    story.complete('~b', null, { attempt: 2 });
    expect(states(story)[1]).toBe('completed');
  });

  it('is skipped when a person resolves it', () => {
    const story = failing();
    story.refuse('c');
    story.refuse('~b');
    story.when({ type: 'SkipCompensation', unit: 'b', reason: 'done by hand' });
    const units = [...(story.state.compensation?.units.values() ?? [])];
    expect(Object.fromEntries(units.map((unit) => [unit.unit, compensationStateOf(unit)]))).toMatchObject({
      b: 'skipped',
    });
  });
});
