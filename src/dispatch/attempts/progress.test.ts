import { describe, expect, it } from 'vitest';
import { fakeClock } from '../../../test/support/fake-ports.ts';
import type { ProgressInput } from '../../domain/task/commands.ts';
import { PROGRESS_INTERVAL_MS, ProgressReporter } from './progress.ts';

const setUp = () => {
  const clock = fakeClock();
  const sent: ProgressInput[] = [];
  const reporter = new ProgressReporter(clock, async (progress) => {
    sent.push(progress);
  });
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { clock, sent, reporter, settle };
};

describe('progress', () => {
  it('is passed on at once, then with the latest of each field once per interval', async () => {
    const { clock, sent, reporter, settle } = setUp();
    reporter.report({ percent: 1, message: 'one' });
    reporter.report({ percent: 2, message: 'two' });
    reporter.report({ percent: 3 });
    await settle();
    expect(sent).toEqual([{ percent: 1, message: 'one' }]);
    clock.advance(PROGRESS_INTERVAL_MS);
    await settle();
    expect(sent).toEqual([
      { percent: 1, message: 'one' },
      { percent: 3, message: 'two' },
    ]);
    clock.advance(2 * PROGRESS_INTERVAL_MS);
    await settle();
    expect(sent).toHaveLength(2);
    reporter.report({ percent: 4 });
    await settle();
    expect(sent).toHaveLength(3);
  });

  it('keeps a checkpoint that was held back when the attempt fails, and drops it when it completes', async () => {
    for (const [outcome, count] of [
      ['failed', 2],
      ['completed', 1],
    ] as const) {
      const { clock, sent, reporter } = setUp();
      reporter.report({ checkpoint: { step: 1 } });
      reporter.report({ checkpoint: { step: 2 } });
      await reporter.end(outcome);
      expect(sent).toHaveLength(count);
      expect(clock.scheduled).toBe(0);
    }
  });

  it('that is invalid is dropped', async () => {
    const { sent, reporter, settle } = setUp();
    reporter.report({ percent: 400 });
    reporter.report({ message: 'a\u0000' });
    reporter.report({ checkpoint: 'x'.repeat(300_000) as never });
    await settle();
    expect(sent).toEqual([]);
  });
});
