import { describe, expect, it } from 'vitest';
import { Tracker } from './tracker.ts';

describe('the times of a run', () => {
  it('are measured from the call to the answer and to the report of the end', () => {
    const tracker = new Tracker();
    tracker.submitted('a', 100, 105);
    tracker.submitted('b', 110, 112);
    tracker.heard('b', 150);
    tracker.heard('a', 200);
    expect(tracker.times()).toEqual({ submitMs: [2, 5], endToEndMs: [40, 100], spanMs: 100 });
  });

  it('include a task that ended before its submission was answered, and exclude tasks of other runs', () => {
    const tracker = new Tracker();
    tracker.heard('a', 150);
    tracker.heard('foreign', 150);
    expect(tracker.ended).toBe(0);
    tracker.submitted('a', 100, 160);
    expect(tracker.ended).toBe(1);
    expect(tracker.taskIds).toEqual(['a']);
    expect(tracker.times()).toEqual({ submitMs: [60], endToEndMs: [50], spanMs: 50 });
  });

  it('count a task once, however often its end is reported', () => {
    const tracker = new Tracker();
    tracker.submitted('a', 1, 2);
    tracker.heard('a', 3);
    tracker.heard('a', 9);
    expect(tracker.ended).toBe(1);
    expect(tracker.times().endToEndMs).toEqual([2]);
  });

  it('are absent when no task ended', () => {
    expect(new Tracker().times()).toEqual({ submitMs: [], endToEndMs: [], spanMs: 0 });
  });

  it('can be awaited', async () => {
    const tracker = new Tracker();
    const two = tracker.untilEnded(2);
    for (const id of ['a', 'b']) {
      tracker.submitted(id, 0, 0);
      tracker.heard(id, 1);
    }
    await two;
    await tracker.untilEnded(1);
  });
});
