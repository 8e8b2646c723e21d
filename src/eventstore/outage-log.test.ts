import { beforeEach, describe, expect, it, vi } from 'vitest';
import { fakeClock } from '../../test/support/fake-ports.ts';
import { unavailable } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { OutageLog, withCauses } from './outage-log.ts';

const serverSaid = new Error('14 UNAVAILABLE: Leader info not available');

let clock: ReturnType<typeof fakeClock>;
let logger: { warn: ReturnType<typeof vi.fn>; info: ReturnType<typeof vi.fn> };
let log: OutageLog;

beforeEach(() => {
  clock = fakeClock();
  logger = { warn: vi.fn(), info: vi.fn() };
  log = new OutageLog(clock, logger as unknown as Logger);
});

/** Two calls, of which each fails once and the second also for good; then one that succeeds. */
const anElection = (): void => {
  log.tryFailed(serverSaid, 1);
  clock.advance(400);
  log.callSucceeded();
  log.tryFailed(serverSaid, 1);
  log.tryFailed(serverSaid, 2);
  log.callFailed();
  clock.advance(600);
  log.callSucceeded();
};

describe('an outage', () => {
  it('is one line when it begins, with the words of the server', () => {
    anElection();
    expect(logger.warn.mock.calls).toEqual([
      [{ reason: '14 UNAVAILABLE: Leader info not available' }, 'the event store cannot be reached; trying again'],
    ]);
  });

  it('is one line when it is over, with its length and what it cost', () => {
    anElection();
    clock.advance(4_999);
    expect(logger.info).not.toHaveBeenCalled();
    clock.advance(1);
    expect(logger.info.mock.calls).toEqual([[{ ms: 1_000, delayed: 1, failed: 1 }, 'the event store answers again']]);
    log.callSucceeded();
    clock.advance(10_000);
    expect(logger.info).toHaveBeenCalledTimes(1);
  });

  it('goes on when something fails before it has been quiet for five seconds', () => {
    for (let n = 0; n < 10; n += 1) {
      anElection();
      clock.advance(4_000);
    }
    clock.advance(5_000);
    expect([logger.warn.mock.calls.length, logger.info.mock.calls.length]).toEqual([1, 1]);
    expect(logger.info.mock.calls[0]?.[0]).toEqual({ ms: 46_000, delayed: 10, failed: 10 });
  });

  it('says nothing more once the store is closed', () => {
    anElection();
    log.close();
    clock.advance(10_000);
    expect(logger.info).not.toHaveBeenCalled();
  });
});

it('a reason includes what caused it, each message once', () => {
  const error = unavailable('the subscription to the event store was lost', new Error('lost', { cause: serverSaid }));
  expect(withCauses(error)).toBe(
    'the subscription to the event store was lost: lost: 14 UNAVAILABLE: Leader info not available',
  );
  expect(withCauses(unavailable('away', new Error('away')))).toBe('away');
});
