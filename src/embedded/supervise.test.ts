import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fakeClock } from '../../test/support/fake-ports.ts';
import { createLogger } from '../platform/logger.ts';
import { type Service, supervise } from './supervise.ts';

const logger = createLogger('silent');

/** A service that starts and ends as the test decides. */
const scripted = () => {
  const running = new Set<number>();
  const ports: (number | undefined)[] = [];
  let end: () => void = () => {};
  let gate: Promise<void> = Promise.resolve();
  let failures = 0;
  const start = async (port?: number): Promise<Service> => {
    ports.push(port);
    const pid = ports.length;
    await gate;
    if (failures-- > 0) throw new Error('not yet');
    running.add(pid);
    const exited = new Promise<string>((resolve) => {
      end = () => {
        running.delete(pid);
        resolve('killed');
      };
    });
    return { name: 'thing', url: 'thing://here', port: port ?? 4711, pid, exited, stop: async () => end() };
  };
  return {
    start,
    running,
    ports,
    kill: () => end(),
    failNext: (times: number) => {
      failures = times;
    },
    hold: () => {
      let open = (): void => {};
      gate = new Promise((resolve) => {
        open = resolve;
      });
      return () => open();
    },
  };
};

describe('a supervised service', () => {
  it('is restarted on its port until it starts', async () => {
    const thing = scripted();
    const supervised = await supervise(thing.start, logger);
    thing.failNext(2);
    thing.kill();
    await expect.poll(() => thing.running.size, { timeout: 5_000 }).toBe(1);
    expect(thing.ports).toEqual([undefined, 4711, 4711, 4711]);
    expect(supervised.pid).toBe(4);
    await supervised.stop();
  });

  it('is restarted at once when it had recovered, however often it ended before', async () => {
    const thing = scripted();
    const clock = fakeClock();
    const supervised = await supervise(thing.start, logger, clock);
    for (let kill = 1; kill <= 8; kill += 1) {
      clock.advance(6_000);
      thing.kill();
      await nextTurn();
      clock.advance(100);
      await expect.poll(() => thing.ports.length).toBe(1 + kill);
      await nextTurn();
    }
    await supervised.stop();
  });

  it('is restarted later and later when it ends soon after each start', async () => {
    const thing = scripted();
    const clock = fakeClock();
    const supervised = await supervise(thing.start, logger, clock);
    for (const delayMs of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
      const starts = thing.ports.length;
      thing.kill();
      await nextTurn();
      clock.advance(delayMs - 1);
      await nextTurn();
      expect(thing.ports).toHaveLength(starts);
      clock.advance(1);
      await expect.poll(() => thing.ports.length).toBe(starts + 1);
      await nextTurn();
    }
    await supervised.stop();
  });

  it('is not restarted when it was stopped on purpose', async () => {
    const thing = scripted();
    const supervised = await supervise(thing.start, logger);
    await supervised.stop();
    expect(thing.running.size).toBe(0);
    expect(thing.ports).toHaveLength(1);
  });

  it('leaves nothing running when it is stopped during a restart', async () => {
    const thing = scripted();
    const supervised = await supervise(thing.start, logger);
    const open = thing.hold();
    thing.kill();
    await expect.poll(() => thing.ports.length).toBe(2);
    const stopped = supervised.stop();
    open();
    await stopped;
    expect(thing.running.size).toBe(0);
  });
});
