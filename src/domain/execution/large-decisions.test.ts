import { describe, expect, it } from 'vitest';
import { compensable, Story, step, type TaskInput } from '../../../test/support/story.ts';
import { byteLengthOf } from '../json.ts';

/** The store takes 1 MiB; metadata takes some of it. */
const METADATA_BYTES = 700;
const bytesOf = (story: Story): number =>
  story.last.reduce((bytes, event) => bytes + byteLengthOf(event.data) + METADATA_BYTES, 0);

/** What the follower does as long as a decision was cut short; answers how large the largest append was. */
const goOn = (story: Story): number => {
  let largest = bytesOf(story);
  for (let turns = 0; story.state.continues; turns += 1) {
    if (turns > 1_000) throw new Error('it goes on for ever');
    story.when({ type: 'ContinueExecution' });
    largest = Math.max(largest, bytesOf(story));
  }
  return largest;
};
const MIB = 1_048_576;

describe('a decision that is too large for one append', () => {
  it('skips thousands of steps in several appends', () => {
    const skipped = Array.from({ length: 3_000 }, (_, index) => step(`s${index}`, ['a'], { when: 'input.no' }));
    const story = Story.of([step('a'), ...skipped, step('end', ['a'])], {}, { input: { no: false } });
    story.complete('a', 'x'.repeat(200_000));
    expect(story.last.at(-1)).toMatchObject({ type: 'ExecutionContinued', data: { rest: true } });
    expect(goOn(story)).toBeLessThan(MIB);
    expect(story.log.filter(({ type }) => type === 'StepSkipped')).toHaveLength(3_000);
    expect(story.last.at(-1)).toMatchObject({ type: 'ExecutionContinued', data: { rest: false } });
    expect(story.complete('end')).toContain('ExecutionCompleted');
  });

  it('fails thousands of steps in several, each with its reason', () => {
    const when = `${'input.no == 1 || '.repeat(10)}input.no`;
    const failing = Array.from(
      { length: 1_000 },
      (_, index): TaskInput => step(`s${index}`, ['a'], { when, onFailure: 'skip' }),
    );
    const story = Story.of([step('a'), ...failing], {}, { input: {} });
    story.complete('a', 'x'.repeat(200_000));
    expect(goOn(story)).toBeLessThan(MIB);
    expect(story.status).toBe('completed');
  });

  it('does not evaluate expressions for longer than other work can wait', () => {
    const when = 'input.all(x, x > 0)';
    const input = Array.from({ length: 10_000 }, () => 1);
    const slow = Array.from({ length: 60 }, (_, index) => step(`s${index}`, [], { when: `!(${when})` }));
    const story = Story.of(slow, {}, { input });
    expect(story.last.filter(({ type }) => type === 'StepSkipped').length).toBeLessThan(10);
    goOn(story);
    expect(story.status).toBe('completed');
  });

  it('stops when a person pauses the execution, and continues when they resume it', () => {
    const skipped = Array.from({ length: 2_000 }, (_, index) => step(`s${index}`, [], { when: 'false' }));
    const story = Story.of(skipped);
    story.when({ type: 'PauseExecution' });
    expect(story.when({ type: 'ContinueExecution' })).toEqual([]);
    story.when({ type: 'ResumeExecution' });
    goOn(story);
    expect(story.status).toBe('completed');
    expect(story.when({ type: 'ContinueExecution' })).toEqual([]);
  });
});

describe('thousands of compensations', () => {
  const id = `resize_${'x'.repeat(100)}`;
  const COMPENSATIONS = 1_600;

  /** Its second step is refused when all items of the first have completed. */
  const aborted = (compensations: number): Story => {
    const each = compensable(id, [], { forEach: { items: 'input', maxItems: compensations } });
    const story = Story.of(
      [each, step('b', [id])],
      { coordination: { type: 'graph_based', maxParallel: 1_000 } },
      { input: Array.from({ length: compensations }, () => 0) },
    );
    for (let item = 0; item < compensations; item += 1) story.complete(`${id}[${item}]`, null);
    story.refuse('b');
    return story;
  };

  it('are recorded in parts small enough for the log, and are all carried out in order', () => {
    const story = aborted(COMPENSATIONS);
    expect(story.last.at(-1)).toMatchObject({ type: 'ExecutionContinued', data: { rest: true } });
    expect(goOn(story)).toBeLessThan(MIB);
    const parts = story.log.flatMap((event) => (event.type === 'CompensationStarted' ? [event.data] : []));
    expect(parts.length).toBeGreaterThan(2);
    expect(parts[0]?.owed).toBe(COMPENSATIONS);
    const units = parts.flatMap(({ plan }) => plan.map(({ unit }) => unit));
    expect(units).toEqual(Array.from({ length: COMPENSATIONS }, (_, index) => `${id}[${COMPENSATIONS - 1 - index}]`));
    for (const unit of units.slice(0, -1)) story.complete(`~${unit}`, null);
    expect(story.complete(`~${units.at(-1)}`, null)).toEqual([
      `TaskCompleted ~${units.at(-1)}`,
      'ExecutionCompensated',
    ]);
  });
});
