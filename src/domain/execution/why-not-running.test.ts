import { describe, expect, it } from 'vitest';
import { compensable, Story, step } from '../../../test/support/story.ts';
import { OBSTACLES } from '../routing/obstacles.ts';
import { NOT_RUNNING_REASONS, OBSTACLE_OF, whyNotRunning } from './why-not-running.ts';

describe('a step that does not run', () => {
  it('was offered to agents; only the pool knows who holds its tasks', () => {
    const story = Story.of([step('a')]);
    expect(whyNotRunning(story.state)).toEqual([{ unit: 'a', reason: 'agent', tasks: [story.taskOf('a').taskId] }]);
  });

  it('names the tasks of all its open items', () => {
    const story = Story.of([step('a', [], { forEach: { items: 'input' } })], {}, { input: [1, 2] });
    const tasks = ['a[0]', 'a[1]'].map((unit) => story.taskOf(unit).taskId);
    expect(whyNotRunning(story.state)).toEqual([{ unit: 'a', reason: 'agent', tasks }]);
  });

  it('waits for its dependencies', () =>
    expect(whyNotRunning(Story.of([step('a'), step('b'), step('c', ['a', 'b'])]).state).at(-1)).toEqual({
      unit: 'c',
      reason: 'dependency',
      dependencies: ['a', 'b'],
    }));

  it('waits for a free place where the workflow limits parallel steps', () =>
    expect(whyNotRunning(Story.of([step('a'), step('b')], { coordination: { maxParallel: 1 } }).state).at(-1)).toEqual({
      unit: 'b',
      reason: 'window',
      openTasks: 1,
      maxParallel: 1,
    }));

  it('does not start while the execution is paused', () => {
    const story = Story.of([step('a'), step('b', ['a'])]);
    story.when({ type: 'PauseExecution' });
    story.complete('a');
    expect(whyNotRunning(story.state)).toEqual([{ unit: 'b', reason: 'paused' }]);
  });

  it('will not run once the execution has failed', () => {
    const story = Story.of([step('a'), step('b', ['a'])]);
    story.refuse('a');
    expect(whyNotRunning(story.state)).toEqual([{ unit: 'b', reason: 'ended', status: 'failed', dependencies: ['a'] }]);
  });

  it('no longer starts while the execution aborts', () => {
    const story = Story.of([step('a'), step('b'), step('c', ['b'])]);
    story.refuse('a');
    // Another agent still holds b.
    expect(whyNotRunning(story.state).at(-1)).toMatchObject({
      unit: 'c',
      reason: 'aborting',
      abort: { reason: 'step_failed', unit: 'a' },
      dependencies: ['b'],
    });
  });

  it('waits for time, for an event from outside, or for a decision', () => {
    const story = Story.of([
      step('sleep', [], { delayMs: 1_000 }),
      step('hear', [], { waitFor: { kind: 'event', name: 'paid' } }),
      step('ask', [], { waitFor: { kind: 'decision', name: 'approval' } }),
      step('choose', [], { waitFor: { kind: 'decision', name: 'colour', options: ['red', 'blue'] } }),
    ]);
    expect(whyNotRunning(story.state)).toEqual([
      {
        unit: 'sleep',
        reason: 'delay',
        dueMs: Date.parse('2026-03-01T12:00:01.000Z'),
        name: undefined,
        options: [],
      },
      { unit: 'hear', reason: 'event', dueMs: undefined, name: 'paid', options: [] },
      { unit: 'ask', reason: 'decision', dueMs: undefined, name: 'approval', options: ['approved', 'rejected'] },
      { unit: 'choose', reason: 'decision', dueMs: undefined, name: 'colour', options: ['red', 'blue'] },
    ]);
  });
});

it.each(NOT_RUNNING_REASONS)('%s is a kind of obstacle', (reason) => expect(OBSTACLES).toContain(OBSTACLE_OF[reason]));

describe('a compensation that does not run', () => {
  const failing = () => {
    const story = Story.of([compensable('a'), compensable('b', ['a']), step('c', ['b'])], {
      saga: { strategy: 'backward' },
    });
    story.complete('a');
    story.complete('b');
    story.refuse('c');
    return story;
  };

  it('waits for its task to be taken, or for those before it', () => {
    const story = failing();
    expect(whyNotRunning(story.state)).toEqual([
      { unit: '~b', reason: 'agent', tasks: [story.taskOf('~b').taskId] },
      { unit: '~a', reason: 'undo_order', dependencies: ['~b'] },
    ]);
  });

  it('is parked after its last attempt has failed', () => {
    const story = failing();
    const { taskId } = story.taskOf('~b');
    story.refuse('~b');
    expect(whyNotRunning(story.state)).toContainEqual({
      unit: '~b',
      reason: 'parked',
      taskId,
      handedOverTo: undefined,
      errorCode: 'REFUSED',
    });
  });
});
