import { beforeEach, describe, expect, it } from 'vitest';
import { type InFlight, SubscriptionGroup, type ToPark } from './group.ts';
import type { Consumer } from './message.ts';

const LIMITS = {
  strategy: 'RoundRobin',
  maxRetryCount: 2,
  messageTimeoutMs: 1_000,
  readBatchSize: 4,
  historyBufferSize: 10,
  liveBufferSize: 6,
} as const;

let group: SubscriptionGroup;
let now: number;

beforeEach(() => {
  now = 0;
  group = new SubscriptionGroup(LIMITS, -1);
});

const message = (place: number, more = {}) => ({
  id: `e${place}`,
  place,
  ordinal: place,
  bucket: 0,
  replayed: false,
  ...more,
});

const given = (...places: number[]) => {
  for (const place of places) group.add(message(place));
};

const replayed = (place: number) => message(place, { id: `parked${place}`, replayed: true });

/** Dispatches; returns `<id>` or `<id>#<retries>` of what was sent. */
const sent = (limit = 100) => {
  const all: InFlight[] = [];
  group.dispatch(now, limit, (one) => all.push(one));
  return all.map(({ message: { id }, retries }) => (retries === 0 ? id : `${id}#${retries}`));
};

const retry = (consumer: Consumer, ...ids: string[]) => group.nack(consumer, ids, 'retry', '');

describe('handing out', () => {
  it('happens in order, once, and up to the buffer size of the client', () => {
    given(0, 1, 2);
    group.connect(2);
    expect(sent()).toEqual(['e0', 'e1']);
    expect(sent()).toEqual([]);
    group.ack(['e0']);
    expect(sent()).toEqual(['e2']);
  });

  it('stops at the limit it is given', () => {
    given(0, 1, 2);
    group.connect(9);
    expect(sent(2)).toEqual(['e0', 'e1']);
    expect(sent(2)).toEqual(['e2']);
  });

  it('waits for clients', () => {
    given(0);
    expect(sent()).toEqual([]);
    group.connect(1);
    expect(sent()).toEqual(['e0']);
  });

  it('holds back an event whose id is already handed out, and lets others pass', () => {
    group.add(message(0));
    group.add(message(1, { id: 'e0' }));
    group.add(message(2));
    group.connect(9);
    expect(sent()).toEqual(['e0', 'e2']);
    group.ack(['e0']);
    expect(sent()).toEqual(['e0']);
    expect(group.checkpoint.place).toBe(0);
  });

  it('serves returned events before new ones, in log order', () => {
    given(0, 1, 2, 3);
    const consumer = group.connect(3);
    sent();
    retry(consumer, 'e2');
    retry(consumer, 'e0');
    expect(sent()).toEqual(['e0#1', 'e2#1']);
    group.ack(['e1']);
    expect(sent()).toEqual(['e3']);
  });

  it('serves replayed messages between those two, from retry count 0', () => {
    given(0, 1);
    const consumer = group.connect(1);
    sent();
    group.replay(replayed(0));
    group.replay(replayed(1));
    retry(consumer, 'e0');
    expect(sent()).toEqual(['e0#1']);
    group.ack(['e0']);
    expect(sent()).toEqual(['parked0']);
    retry(consumer, 'parked0');
    expect(sent()).toEqual(['parked0#1']);
    group.ack(['parked0']);
    expect(sent()).toEqual(['parked1']);
    group.ack(['parked1']);
    expect(sent()).toEqual(['e1']);
  });
});

describe('a client that leaves', () => {
  it('returns what it has not acknowledged with a higher retry count, but parks nothing', () => {
    given(0, 1, 2);
    for (let round = 1; round <= 4; round++) {
      const consumer = group.connect(9);
      sent();
      group.disconnect(consumer);
    }
    group.connect(9);
    expect(sent()).toEqual(['e0#4', 'e1#4', 'e2#4']);
    expect(group.counts.parking).toBe(0);
  });

  it('may leave twice', () => {
    given(0);
    const consumer = group.connect(1);
    group.disconnect(consumer);
    group.disconnect(consumer);
    expect(group.consumerCount).toBe(0);
  });
});

describe('answers', () => {
  it('count only for messages that are handed out', () => {
    given(0);
    group.connect(1);
    sent();
    expect(group.ack(['e0', 'e0', 'nothing'])).toHaveLength(1);
    expect(group.ack(['e0'])).toEqual([]);
  });

  it('acknowledge a message whoever holds it, but refuse it only for the client that answers', () => {
    given(0, 1);
    const [a, b] = [group.connect(1), group.connect(1)];
    sent();
    expect(group.nack(b, ['e0'], 'park', '')).toEqual([]);
    expect(group.ack(['e0', 'e1'])).toHaveLength(2);
    expect([a.unacked.size, b.unacked.size]).toEqual([0, 0]);
  });

  it('may contain a message twice', () => {
    given(0);
    const consumer = group.connect(1);
    sent();
    expect(group.nack(consumer, ['e0', 'e0'], 'park', 'bad')).toHaveLength(1);
  });

  it('with the action skip drop the message', () => {
    given(0);
    const consumer = group.connect(1);
    sent();
    expect(group.nack(consumer, ['e0'], 'skip', '')).toEqual([]);
    expect(sent()).toEqual([]);
    expect(group.checkpoint.place).toBe(0);
  });

  it('with the action retry park a message after its last retry', () => {
    given(0);
    const consumer = group.connect(1);
    sent();
    for (const expected of ['e0#1', 'e0#2']) {
      expect(retry(consumer, 'e0')).toEqual([]);
      expect(sent()).toEqual([expected]);
    }
    expect(retry(consumer, 'e0')).toMatchObject([{ held: { retries: 2 }, reason: 'Reached retry count of 2' }]);
    expect(sent()).toEqual([]);
  });
});

describe('a message to park', () => {
  const parkFirst = () => {
    given(0, 1);
    const consumer = group.connect(2);
    sent();
    group.ack(['e1']);
    const [toPark] = group.nack(consumer, ['e0'], 'park', 'bad');
    return (toPark as ToPark).held;
  };

  it('stays open until the parking is stored', () => {
    const held = parkFirst();
    expect(group.checkpoint.place).toBe(-1);
    group.parked(held);
    expect(group.checkpoint.place).toBe(1);
    expect(sent()).toEqual([]);
  });

  it('is handed out again with the same retry count if it cannot be stored', () => {
    group.parkFailed(parkFirst());
    expect(group.checkpoint.place).toBe(-1);
    expect(sent()).toEqual(['e0']);
  });
});

describe('a message timeout', () => {
  it('returns the message, and parks it in the end', () => {
    given(0);
    group.connect(1);
    for (const expected of ['e0', 'e0#1', 'e0#2']) {
      expect(sent()).toEqual([expected]);
      now += 999;
      expect(group.expire(now)).toEqual([]);
      expect(sent()).toEqual([]);
      now += 1;
      if (expected !== 'e0#2') expect(group.expire(now)).toEqual([]);
    }
    expect(group.expire(now)).toMatchObject([{ held: { retries: 2 } }]);
  });

  it('never happens when none is set', () => {
    group = new SubscriptionGroup({ ...LIMITS, messageTimeoutMs: 0 }, -1);
    given(0);
    group.connect(1);
    sent();
    expect(group.expire(1e15)).toEqual([]);
    expect(group.counts.inFlight).toBe(1);
  });
});

describe('reading events', () => {
  it('fetches history batch by batch as long as a whole batch fits', () => {
    const read: number[] = [];
    for (let place = 0; group.room > 0; ) {
      read.push(group.room);
      for (const end = place + group.room; place < end; place++) given(place);
    }
    expect(read).toEqual([4, 4]);
  });

  it('fetches at the end of the source what the live buffer has room for', () => {
    group.reachedEnd();
    expect(group.room).toBe(6);
    given(0, 1, 2, 3, 4, 5);
    expect(group.room).toBe(0);
    group.fellBehind();
    expect(group.room).toBe(4);
  });

  it('waits while many messages are returned or being parked', () => {
    const consumer = group.connect(100);
    given(0, 1, 2, 3, 4, 5, 6, 7);
    sent();
    expect(group.room).toBe(4);
    group.disconnect(consumer);
    expect(group.room).toBe(0);
    const other = group.connect(100);
    sent();
    group.nack(other, ['e0', 'e1', 'e2', 'e3', 'e4', 'e5', 'e6'], 'park', '');
    expect(group.room).toBe(0);
  });

  it.each([0, -1])('continues with sizes of %i', (size) => {
    group = new SubscriptionGroup(
      { ...LIMITS, readBatchSize: size, historyBufferSize: size, liveBufferSize: size },
      -1,
    );
    expect(group.room).toBe(1);
    group.reachedEnd();
    group.fellBehind();
    expect(group.room).toBe(1);
  });
});

describe('the first open replay', () => {
  it('is the lowest one in the parked stream, and does not hold back the checkpoint', () => {
    given(5);
    group.connect(9);
    group.replay(replayed(0));
    group.replay(replayed(1));
    sent();
    group.ack(['e5', 'parked1']);
    expect(group.firstOpenReplay).toBe(0);
    expect(group.checkpoint.place).toBe(5);
    group.ack(['parked0']);
    expect(group.firstOpenReplay).toBeUndefined();
  });
});
