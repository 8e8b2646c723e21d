import { describe, expect, it } from 'vitest';
import { compensable, Story, step } from '../../../test/support/story.ts';
import { previewCompensation } from './compensation-preview.ts';

const chain = (facts: Parameters<typeof Story.of>[1] = { saga: { strategy: 'backward' } }) =>
  Story.of([compensable('a'), compensable('b', ['a']), step('c', ['b'])], facts);

describe('a preview of the compensation', () => {
  it('plans the completed steps, and names those that may still need compensation', () => {
    const story = chain();
    expect(previewCompensation(story.state)).toEqual({
      verdict: 'possible',
      strategy: 'backward',
      undos: [],
      mayBeOwed: ['a'],
    });
    story.complete('a');
    story.complete('b');
    expect(previewCompensation(story.state)).toEqual({
      verdict: 'possible',
      strategy: 'backward',
      undos: [
        { unit: 'b', after: [] },
        { unit: 'a', after: ['b'] },
      ],
      mayBeOwed: [],
    });
  });

  it('accepts another strategy', () => {
    const story = chain();
    story.complete('a');
    story.complete('b');
    expect(previewCompensation(story.state, 'forward').undos.map(({ unit }) => unit)).toEqual(['a', 'b']);
  });

  it('is empty once a pivot has completed, or may have', () => {
    const withPivot = () => Story.of([compensable('a'), step('p', ['a'], { pivot: true }), compensable('b', ['p'])]);
    const passed = withPivot();
    passed.complete('a');
    passed.complete('p');
    expect(previewCompensation(passed.state)).toMatchObject({ verdict: 'pivot_passed', undos: [], mayBeOwed: [] });
    const inDoubt = withPivot();
    inDoubt.complete('a');
    inDoubt.timeOut('p');
    expect(previewCompensation(inDoubt.state)).toMatchObject({ verdict: 'pivot_in_doubt', undos: [], mayBeOwed: [] });
  });

  it('says that compensation has begun', () => {
    const story = chain();
    story.complete('a');
    story.refuse('b');
    expect(previewCompensation(story.state).verdict).toBe('begun');
  });
});
