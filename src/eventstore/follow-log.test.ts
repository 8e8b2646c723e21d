import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FakeClock, fakeClock } from '../../test/support/fake-ports.ts';
import { systemClock } from '../platform/clock.ts';
import { createLogger } from '../platform/logger.ts';
import type { EventStore, Position } from './event-store.ts';
import { followLog } from './follow-log.ts';
import { LogFeed } from './log-feed.ts';
import { createMemoryEventStore } from './memory-event-store.ts';

const logger = createLogger('silent');
const within = { timeout: 10_000, interval: 1 };

let clock: FakeClock;
let store: EventStore;
let feed: LogFeed;
let stopping: AbortController;
let following: Promise<void>;

beforeEach(async () => {
  clock = fakeClock();
  store = createMemoryEventStore({ clock: systemClock });
  stopping = new AbortController();
});
afterEach(async () => {
  stopping.abort();
  await following;
  await feed.stop();
});

let lastId = 0;
const append = async (...types: readonly string[]): Promise<Position> => {
  let position = 0n;
  for (const type of types) {
    lastId += 1;
    const event = { id: `id-${lastId}`, type, data: null, metadata: {} as never };
    ({ position } = await store.append(`test-default.${lastId}`, [event], { expectedRevision: 'no_stream' }));
  }
  return position;
};

const startFeed = async (): Promise<void> => {
  feed = await LogFeed.start({ store, clock: systemClock, logger });
};

const follow = (options: { after?: Position; fails?: (type: string) => boolean } = {}): string[] => {
  const seen: string[] = [];
  const { after, fails = () => false } = options;
  following = followLog({ name: 'a test', feed, after, clock, logger, signal: stopping.signal }, async ({ type }) => {
    seen.push(type);
    if (fails(type)) throw new Error('refused');
  });
  return seen;
};

describe('a follower of the log', () => {
  it('sees events after its current end', async () => {
    await append('Old');
    await startFeed();
    const seen = follow();
    await append('New');
    await vi.waitFor(() => expect(seen).toEqual(['New']), within);
  });

  it('sees events after a position', async () => {
    const after = await append('Old');
    await append('Newer');
    await startFeed();
    const seen = follow({ after });
    await vi.waitFor(() => expect(seen).toEqual(['Newer']), within);
  });

  it('continues after a failure, without missing anything', async () => {
    await startFeed();
    let failures = 1;
    const seen = follow({ fails: (type) => type === 'Bad' && failures-- > 0 });
    await append('First', 'Bad', 'Last');
    await vi.waitFor(() => expect(seen).toContain('Bad'), within);
    await nextTurn();
    expect(seen).not.toContain('Last');
    clock.advance(500);
    await vi.waitFor(() => expect(seen.slice(-2)).toEqual(['Bad', 'Last']), within);
  });

  it('ends when the feed stops', async () => {
    await startFeed();
    follow();
    await feed.stop();
    await following;
  });
});
