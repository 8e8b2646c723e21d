import { describe, expect, it } from 'vitest';
import { fakeClock } from '../../test/support/fake-ports.ts';
import { LogGate, MAX_WAITING, type Passed } from './log-gate.ts';

const setUp = () => {
  const clock = fakeClock();
  const gate = new LogGate(clock, () => 1);
  const passed: Passed[] = [];
  const call = (patienceMs = 10_000): void => {
    void Promise.resolve(gate.pass(clock.monotonic() + patienceMs)).then((how) => passed.push(how));
  };
  const away = () => gate.failed('go', clock.monotonic());
  /** Time passes; what became of the calls is known. */
  const wait = async (ms: number): Promise<Passed[]> => {
    clock.advance(ms);
    await Promise.resolve();
    await Promise.resolve();
    return passed.splice(0);
  };
  return { clock, gate, call, away, wait };
};

describe('while the log answers', () => {
  it('every call passes at once', () => {
    const { gate, clock } = setUp();
    expect(gate.pass(clock.monotonic() + 10)).toBe('go');
    gate.answered();
    expect(gate.pass(clock.monotonic() + 10)).toBe('go');
  });
});

describe('while the log is away', () => {
  it('one call at a time is tried, with growing delays up to a quarter of a second', async () => {
    const { gate, call, away, wait, clock } = setUp();
    away();
    for (let count = 0; count < 1_000; count += 1) call(60_000);
    const probes: number[] = [];
    for (let ms = 0; ms < 2_000; ms += 10) {
      for (const how of await wait(10)) {
        expect(how).toBe('probe');
        probes.push(ms + 10);
        gate.failed('probe', clock.monotonic());
      }
    }
    expect(probes).toEqual([20, 60, 140, 300, 550, 800, 1_050, 1_300, 1_550, 1_800]);
  });

  it('no other call is tried while the one that probes is under way', async () => {
    const { call, away, wait } = setUp();
    away();
    for (let count = 0; count < 10; count += 1) call(60_000);
    expect(await wait(20)).toEqual(['probe']);
    expect(await wait(3_000)).toEqual([]);
  });

  it('a call waits no longer than it may', async () => {
    const { call, away, wait, gate } = setUp();
    away();
    for (const patience of [60_000, 1_000, 2_000]) call(patience);
    expect(await wait(20)).toEqual(['probe']);
    expect(await wait(980)).toEqual(['late']);
    expect(await wait(1_000)).toEqual(['late']);
    expect(gate.waiting).toBe(0);
  });

  it('at most so many calls wait; the next one fails at once', async () => {
    const { call, away, wait, gate } = setUp();
    away();
    for (let count = 0; count < MAX_WAITING + 3; count += 1) call();
    expect(await wait(0)).toEqual(['full', 'full', 'full']);
    expect(gate.waiting).toBe(MAX_WAITING);
  });

  it('a call that comes when nobody waits is tried once the delay is over', async () => {
    const { call, away, wait } = setUp();
    away();
    await wait(5_000);
    call();
    expect(await wait(0)).toEqual(['probe']);
  });
});

describe('when the log answers again', () => {
  it('all that wait pass', async () => {
    const { gate, call, away, wait } = setUp();
    away();
    for (let count = 0; count < 5; count += 1) call();
    expect(await wait(20)).toEqual(['probe']);
    gate.answered();
    expect(await wait(0)).toEqual(['go', 'go', 'go', 'go']);
  });

  it('a call that began before and fails now does not close the gate again', async () => {
    const { gate, call, away, wait, clock } = setUp();
    const startedAt = clock.monotonic();
    away();
    call();
    expect(await wait(20)).toEqual(['probe']);
    gate.answered();
    gate.failed('go', startedAt);
    call();
    expect(await wait(0)).toEqual(['go']);
  });
});

describe('when the store is closed', () => {
  it('nothing waits any more', async () => {
    const { gate, call, away, wait, clock } = setUp();
    away();
    call();
    gate.close();
    expect(await wait(0)).toEqual(['closed']);
    expect(gate.pass(clock.monotonic() + 1_000)).toBe('closed');
    expect(clock.scheduled).toBe(0);
  });
});
