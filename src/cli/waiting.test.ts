import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Ended, EXIT, Failure } from './failure.ts';
import type { Terminal } from './terminal.ts';
import { againAt, waitInSight } from './waiting.ts';

let written: string;
const terminalOf = (progress?: NodeJS.WriteStream): Terminal => ({
  env: {},
  stdin: Readable.from([]),
  out: (text) => {
    written += text;
  },
  err: (text) => {
    written += text;
  },
  progress,
  colour: false,
});
const screen = {
  columns: 40,
  write: (text: string) => {
    written += text;
    return true;
  },
} as unknown as NodeJS.WriteStream;

beforeEach(() => {
  written = '';
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

const AGAIN = 'baton tasks watch t1';

/** Waits until it is told to end, and gives up as a subscription does. */
const waiting = (terminal: Terminal, reasons: readonly string[], timeoutMs?: number) => {
  let end = (_: string): void => {};
  let asked = 0;
  const ended = waitInSight(terminal, {
    what: 'task t1',
    again: AGAIN,
    timeoutMs,
    why: async () => reasons[Math.min(asked++, reasons.length - 1)],
    until: (signal, out) =>
      new Promise<string>((resolve, reject) => {
        end = (result) => {
          out('the result\n');
          resolve(result);
        };
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
  });
  ended.catch(() => {}); // each test looks at how it ended
  return { ended, end: (result: string) => end(result) };
};

describe('waiting', () => {
  it('says nothing when what it waits for ends at once', async () => {
    const { ended, end } = waiting(terminalOf(), ['busy']);
    await vi.advanceTimersByTimeAsync(400);
    end('done');
    expect(await ended).toBe('done');
    expect(written).toBe('the result\n');
  });

  it('says why, and again only when the reason changes, where there is no terminal', async () => {
    const { ended, end } = waiting(terminalOf(), ['no agent', 'no agent', 'busy']);
    await vi.advanceTimersByTimeAsync(10_000);
    end('done');
    await ended;
    expect(written).toBe('no agent\nbusy\nthe result\n');
  });

  it('writes one line over and over on a terminal, as wide as it at most, and clears it', async () => {
    const { ended, end } = waiting(terminalOf(screen), ['no agent', `busy ${'x'.repeat(100)}`]);
    await vi.advanceTimersByTimeAsync(3_000);
    end('done');
    await ended;
    const lines = written.split('\r\u001b[K');
    expect(lines.slice(0, 2)).toEqual(['', '500 ms: no agent']);
    expect(lines[2]).toMatch(/^2\.5 s: busy x+…$/);
    expect([...lines[2]!].length).toBeLessThan(40);
    expect(lines.slice(3).join('')).toBe('the result\n');
  });

  it('ends after its time, with the last reason and how to take it up again', async () => {
    const { ended } = waiting(terminalOf(), ['no agent'], 30_000);
    await vi.advanceTimersByTimeAsync(30_000);
    const failure = await ended.catch((error: unknown) => error as Failure);
    expect(failure).toBeInstanceOf(Failure);
    expect(failure).toMatchObject({
      exitCode: EXIT.timedOut,
      code: 'WAIT_TIMED_OUT',
      message: 'task t1 has not ended after 30.0 s: no agent',
      advice: `it goes on; to wait for it again: ${AGAIN}`,
    });
  });

  it('says on Ctrl-C how to take it up again', async () => {
    const { ended } = waiting(terminalOf(), ['no agent']);
    process.emit('SIGINT');
    const error = await ended.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Ended);
    expect(error).toMatchObject({ exitCode: EXIT.interrupted });
    expect(written).toBe(`\ntask t1: it goes on; to wait for it again: ${AGAIN}\n`);
  });

  it('is given up even if the server does not answer', async () => {
    const ended = waitInSight(terminalOf(), {
      what: 'task t1',
      again: AGAIN,
      timeoutMs: 1_000,
      until: () => new Promise(() => {}),
    });
    ended.catch(() => {});
    await vi.advanceTimersByTimeAsync(2_000);
    await expect(ended).rejects.toMatchObject({ code: 'WAIT_TIMED_OUT' });
  });
});

describe('the command that waits again', () => {
  it('names the server that was named', () => {
    expect(againAt(AGAIN, {})).toBe(AGAIN);
    expect(againAt(AGAIN, { url: 'http://b:4000' })).toBe(`${AGAIN} --url http://b:4000`);
  });
});
