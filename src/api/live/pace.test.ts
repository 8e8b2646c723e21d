import { describe, expect, it } from 'vitest';
import { fakeClock } from '../../../test/support/fake-ports.ts';
import { AT_ONCE, Pace, WINDOW_MS } from './pace.ts';

const SECOND_MS = 1_000;

/** The frames of a second in which a change comes every so many milliseconds: when each is sent, and what it holds. */
const framesOf = async (everyMs: number): Promise<{ readonly at: number; readonly changes: number }[]> => {
  const clock = fakeClock();
  const pace = new Pace(clock);
  const { signal } = new AbortController();
  const frames: { at: number; changes: number }[] = [];
  let pending = 0;
  let mayBuild = true;
  for (let at = 0; at < SECOND_MS; at += everyMs) {
    pending += 1;
    if (mayBuild) {
      frames.push({ at, changes: pending });
      mayBuild = false;
      void pace.next(pending, signal).then(() => {
        mayBuild = true;
      });
      pending = 0;
    }
    await Promise.resolve();
    clock.advance(everyMs);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  }
  return frames;
};

describe('the pace of a stream', () => {
  it('sends each change at once while there are few', async () => {
    const frames = await framesOf(5);
    expect(frames).toHaveLength(SECOND_MS / 5);
    expect(frames.every(({ changes }) => changes === 1)).toBe(true);
  });

  it('sends one frame per window while there are many, and leaves none out', async () => {
    const frames = await framesOf(0.25);
    expect(frames.length).toBeLessThanOrEqual(SECOND_MS / WINDOW_MS + AT_ONCE + 1);
    const sent = frames.reduce((sum, { changes }) => sum + changes, 0);
    expect(sent).toBeGreaterThan((SECOND_MS - WINDOW_MS) / 0.25);
  });

  it('never sends more frames in a window than it takes changes at once, and one', async () => {
    const frames = await framesOf(WINDOW_MS / (AT_ONCE + 1));
    expect(frames.length).toBeLessThanOrEqual((AT_ONCE + 1) * (SECOND_MS / WINDOW_MS));
  });

  it('does not keep a reader that is gone', async () => {
    const gone = new AbortController();
    const waiting = new Pace(fakeClock()).next(AT_ONCE + 1, gone.signal);
    gone.abort();
    await waiting;
  });
});
