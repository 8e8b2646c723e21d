import { describe, expect, it } from 'vitest';
import { compensable, Story, step } from '../../test/support/story.ts';
import { previewCompensation } from '../domain/execution/compensation-preview.ts';
import { progressOf } from '../domain/execution/steps.ts';
import { whyNotRunning } from '../domain/execution/why-not-running.ts';
import { notRunningText, previewText, progressText, unblockText } from './executions.ts';

const reasons = (story: Story) =>
  whyNotRunning(story.state).map((entry) => `${entry.unit}: ${entry.reason}: ${notRunningText(entry)}`);
const progress = (story: Story) => {
  const found = progressOf(story.state);
  return found && progressText(found);
};
const failing = () => {
  const story = Story.of([compensable('a'), compensable('b', ['a']), step('c', ['b'])], {
    saga: { strategy: 'backward' },
  });
  story.complete('a');
  story.complete('b');
  story.refuse('c');
  return story;
};

describe('the progress of an execution', () => {
  it('names the steps of the level, and cuts a long list', () => {
    const story = Story.of([step('a'), step('b'), step('c'), step('d'), step('e', ['a', 'b', 'c', 'd'])]);
    expect(progress(story)).toBe('1 of 2: a, b, c and 1 more');
    for (const unit of ['a', 'b', 'c', 'd']) story.complete(unit);
    expect(progress(story)).toBe('2 of 2: e');
    story.complete('e');
    expect(progress(story)).toBeUndefined();
  });

  it('counts compensations', () => expect(progress(failing())).toBe('compensating: 0 of 2 done'));
});

describe('why a step does not run', () => {
  it('is explained in one sentence per reason', () => {
    const story = Story.of([
      step('a'),
      step('b', ['a']),
      step('sleep', [], { delayMs: 1_000 }),
      step('hear', [], { waitFor: { kind: 'event', name: 'paid', timeoutMs: 1_000 } }),
      step('ask', [], { waitFor: { kind: 'decision', name: 'approval' } }),
    ]);
    expect(reasons(story)).toEqual([
      'a: agent: offered to its pool a moment ago; the read model does not show it yet',
      'b: dependency: waits for a',
      'sleep: delay: waits, until 2026-03-01T12:00:01.000Z',
      'hear: event: waits for the event paid from outside, given up at 2026-03-01T12:00:01.000Z',
      "ask: decision: waits for a person's decision approval",
    ]);
  });

  it('comes with what would have to change', () => {
    const unblocks = (story: Story) => whyNotRunning(story.state).map(unblockText);
    const story = Story.of([
      step('a'),
      step('b', ['a']),
      step('sleep', [], { delayMs: 1_000 }),
      step('hear', [], { waitFor: { kind: 'event', name: 'paid' } }),
      step('ask', [], { waitFor: { kind: 'decision', name: 'approval' } }),
    ]);
    expect(unblocks(story)).toEqual([
      'nothing: ask again in a moment',
      'let a end',
      'nothing: the time comes at 2026-03-01T12:00:01.000Z',
      'send the event paid',
      'decide approval',
    ]);
    expect(unblocks(failing())).toEqual(['nothing: ask again in a moment', 'let the compensation of b end']);
    expect(unblocks(Story.of([step('a'), step('b')], { coordination: { maxParallel: 1 } })).at(-1)).toBe(
      'let a task of it end, or raise coordination.maxParallel',
    );
  });

  it('can be that as many tasks are open as the workflow allows', () =>
    expect(reasons(Story.of([step('a'), step('b')], { coordination: { maxParallel: 1 } })).at(-1)).toBe(
      'b: window: 1 task is open, and coordination.maxParallel is 1',
    ));

  it('can be that the execution is paused, is aborting or has ended', () => {
    const paused = Story.of([step('a'), step('b', ['a'])]);
    paused.when({ type: 'PauseExecution' });
    paused.complete('a');
    expect(reasons(paused)).toEqual(['b: paused: the execution is paused']);
    const aborting = Story.of([step('a'), step('b'), step('c', ['b'])]);
    aborting.refuse('a');
    expect(reasons(aborting).at(-1)).toBe('c: aborting: no more steps start: step failed in a');
    const failed = Story.of([step('a'), step('b', ['a'])]);
    failed.refuse('a');
    expect(reasons(failed)).toEqual(['b: ended: the execution is failed']);
  });

  it('can be that a compensation waits for others, is parked or was handed over', () => {
    const story = failing();
    expect(reasons(story).at(-1)).toBe('~a: undo_order: waits for the compensation of b');
    story.refuse('~b');
    expect(reasons(story)[0]).toBe('~b: parked: parked: REFUSED');
    story.when({ type: 'HandOverCompensation', unit: 'b', to: 'ops' });
    expect(reasons(story)[0]).toBe('~b: parked: handed over to ops');
  });
});

describe('the preview of a compensation', () => {
  const preview = (story: Story) => previewText(previewCompensation(story.state));

  it('lists what would be compensated, and what may also need compensation', () => {
    const story = Story.of([compensable('a'), compensable('b', ['a']), compensable('c', ['a'])]);
    expect(preview(story)).toBe(
      'nothing to compensate so far; a may need compensation too, which is known once they end',
    );
    story.complete('a');
    expect(preview(story)).toBe('1 to be compensated; b, c may need compensation too, which is known once they end');
  });

  it('reports that there is no way back', () => {
    const story = Story.of([step('p', [], { pivot: true }), compensable('a', ['p'])]);
    story.complete('p');
    expect(preview(story)).toBe('nothing: a pivot has completed, there is no way back');
    expect(preview(failing())).toBe('compensation has begun: see compensationDebts');
  });
});
