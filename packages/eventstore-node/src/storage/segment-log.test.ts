import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { LogFailure } from './log.ts';
import { SegmentLog } from './segment-log.ts';

type Done = (error: Error | null) => void;

/** Flushes that were asked for and are not answered: what a killed process cannot show, for its writes outlive it. */
const flushes = vi.hoisted((): Done[] => []);

vi.mock('node:fs', async (importOriginal) => ({
  ...(await importOriginal<typeof import('node:fs')>()),
  fdatasync: (_fd: number, done: Done) => flushes.push(done),
}));

const openLog = (): SegmentLog => {
  const folder = mkdtempSync(join(tmpdir(), 'eventstore-node-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return SegmentLog.open(folder);
};

const nextFlush = () =>
  vi.waitFor(() => {
    const done = flushes.shift();
    if (!done) throw new Error('no flush was asked for');
    return done;
  });

describe.each([
  ['a small group', 1_000],
  ['a large group', 200_000],
])('%s', (_, bytes) => {
  it('is part of the log when its flush is answered, and not before', async () => {
    const log = openLog();
    let appended = false;
    const append = log.append(Buffer.alloc(bytes, 1)).then(() => {
      appended = true;
    });
    const done = await nextFlush();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([appended, log.end]).toEqual([false, 0]);
    done(null);
    await append;
    expect([appended, log.end]).toEqual([true, bytes]);
  });

  it('whose flush fails is not, and nothing is appended any more', async () => {
    const log = openLog();
    const append = log.append(Buffer.alloc(bytes, 1));
    const refused = expect(append).rejects.toMatchObject({ kind: 'broken' });
    (await nextFlush())(new Error('EIO'));
    await refused;
    expect(log.end).toBe(0);
    await expect(log.append(Buffer.alloc(bytes, 1))).rejects.toBeInstanceOf(LogFailure);
  });
});
