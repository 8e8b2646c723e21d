import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandsOver, type FakeClock, fakeClock } from '../../../test/support/fake-ports.ts';
import { followOutcomes } from '../../../test/support/outcomes.ts';
import type { Commands } from '../../commands/context.ts';
import { cancelTask } from '../../commands/task/cancel-task.ts';
import { submitTask } from '../../commands/task/submit-task.ts';
import { LogFeed } from '../../eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { systemClock } from '../../platform/clock.ts';
import { createLogger } from '../../platform/logger.ts';
import { MAX_WAIT_MS, WaitMs, type Waits } from './waits.ts';

const CALLER = { tenant: 'default', actor: 'test' };
const STAYS = new AbortController().signal;

let commands: Commands;
let feed: LogFeed;
let clock: FakeClock;
let outcomes: ReturnType<typeof followOutcomes>;
let waits: Waits;

beforeEach(async () => {
  const store = createMemoryEventStore({ clock: systemClock });
  feed = await LogFeed.start({ store, clock: systemClock, logger: createLogger('silent') });
  commands = commandsOver(store, { clock: systemClock });
  clock = fakeClock();
  outcomes = followOutcomes({ store, feed, commands }, { clock, limit: 2 });
  waits = outcomes.waits;
});

afterEach(async () => {
  await outcomes.stop();
  await feed.stop();
});

const patience = (ms: number, gone: AbortSignal = STAYS) => ({ ms, gone });
const submitting = (idempotencyKey: string) => () =>
  submitTask(commands, { ...CALLER, idempotencyKey }, { capability: 'work' });
/** The id that the key stands for. */
const submitted = async (key: string): Promise<string> => {
  const result = await submitting(key)();
  return result.ok ? result.value.id : '';
};

describe('a caller that waits for a task', () => {
  it('gets its outcome', async () => {
    const waiting = waits.task('default', patience(1_000), submitting('a'));
    await cancelTask(commands, CALLER, await submitted('a'));
    expect(await waiting).toMatchObject({ ok: true, value: { outcome: { status: 'cancelled' } } });
    expect({ open: waits.size, timers: clock.scheduled }).toEqual({ open: 0, timers: 0 });
  });

  it('gets the outcome of a task that had ended before', async () => {
    await cancelTask(commands, CALLER, await submitted('a'));
    expect(await waits.task('default', patience(1_000), submitting('a'))).toMatchObject({
      ok: true,
      value: { repeated: true, outcome: { status: 'cancelled' } },
    });
  });

  it.each([
    ['its time is up', () => clock.advance(1_000)],
    ['it leaves', (leave: () => void) => leave()],
    ['the server stops', () => waits.close()],
  ])('gets the id when %s', async (_, end) => {
    const gone = new AbortController();
    const waiting = waits.task('default', patience(1_000, gone.signal), submitting('a'));
    const id = await submitted('a');
    end(() => gone.abort());
    const result = await waiting;
    expect(result).toMatchObject({ ok: true, value: { id } });
    expect(result.ok && result.value).not.toHaveProperty('outcome');
    expect({ open: waits.size, timers: clock.scheduled }).toEqual({ open: 0, timers: 0 });
  });

  it('is refused before anything is submitted, when as many wait as may', async () => {
    const others = ['a', 'b'].map((key) => waits.task('default', patience(1_000), submitting(key)));
    let sent = 0;
    const one = waits.task('default', patience(1_000), async () => {
      sent += 1;
      return submitting('c')();
    });
    await expect(one).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect(sent).toBe(0);
    expect(await waits.task('default', patience(0), submitting('c'))).toMatchObject({ ok: true });
    waits.close();
    await Promise.all(others);
  });
});

describe('how long one may wait', () => {
  it.each([-1, 0.5, MAX_WAIT_MS + 1, '1', null])('is not %j', (ms) => expect(WaitMs.safeParse(ms).success).toBe(false));
});
