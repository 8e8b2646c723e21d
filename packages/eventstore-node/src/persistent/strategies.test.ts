import { describe, expect, it } from 'vitest';
import type { Consumer } from './message.ts';
import { bucketOf } from './pinned.ts';
import type { StrategyName } from './settings.ts';
import { strategyOf } from './strategies.ts';

const consumer = (bufferSize: number): Consumer => ({ bufferSize, unacked: new Set(), accepting: true });

const message = (n: number, bucket = 0) => ({ id: `e${n}`, place: n, ordinal: n, bucket, replayed: false });

/** Hands out `count` messages that nobody acknowledges; returns the index of who got each. */
const handOut = (name: StrategyName, consumers: Consumer[], count: number): number[] => {
  const strategy = strategyOf(name);
  strategy.arrange(consumers);
  return Array.from({ length: count }, (_, n) => {
    const chosen = strategy.choose(message(n));
    chosen?.unacked.add(`e${n}`);
    return chosen ? consumers.indexOf(chosen) : -1;
  });
};

describe('RoundRobin', () => {
  it('takes turns, and skips clients that are full', () => {
    expect(handOut('RoundRobin', [consumer(2), consumer(1), consumer(3)], 7)).toEqual([0, 1, 2, 0, 2, 2, -1]);
  });

  it('skips a client whose connection accepts no more data', () => {
    const slow = { ...consumer(9), accepting: false };
    expect(handOut('RoundRobin', [slow, consumer(9)], 2)).toEqual([1, 1]);
  });

  it('continues with the same client when another joins or leaves', () => {
    const [a, b, c] = [consumer(9), consumer(9), consumer(9)];
    const strategy = strategyOf('RoundRobin');
    strategy.arrange([a, b]);
    expect(strategy.choose(message(0))).toBe(a);
    strategy.arrange([a, b, c]);
    expect(strategy.choose(message(1))).toBe(b);
    strategy.arrange([b, c]);
    expect(strategy.choose(message(2))).toBe(c);
  });
});

describe('DispatchToSingle', () => {
  it('fills one client before it moves on', () => {
    expect(handOut('DispatchToSingle', [consumer(2), consumer(1), consumer(2)], 6)).toEqual([0, 0, 1, 2, 2, -1]);
  });

  it('does not go back while the current client has room', () => {
    const [a, b] = [consumer(1), consumer(5)];
    const strategy = strategyOf('DispatchToSingle');
    strategy.arrange([a, b]);
    strategy.choose(message(0))?.unacked.add('e0');
    strategy.choose(message(1))?.unacked.add('e1');
    a.unacked.clear();
    expect(strategy.choose(message(2))).toBe(b);
  });
});

describe.each(['Pinned', 'PinnedByCorrelation'] as const)('%s', (name) => {
  const owners = (strategy: ReturnType<typeof strategyOf>) =>
    Array.from({ length: 1024 }, (_, bucket) => strategy.choose(message(0, bucket)));

  it('distributes the buckets evenly', () => {
    const consumers = [consumer(1), consumer(1), consumer(1)];
    const strategy = strategyOf(name);
    strategy.arrange(consumers);
    const counts = consumers.map((one) => owners(strategy).filter((owner) => owner === one).length);
    expect(counts).toEqual([342, 341, 341]);
  });

  it('moves only the necessary buckets when a consumer joins, and only its own when one leaves', () => {
    const [a, b, c] = [consumer(1), consumer(1), consumer(1)];
    const strategy = strategyOf(name);
    strategy.arrange([a, b]);
    const before = owners(strategy);
    strategy.arrange([a, b, c]);
    const withThree = owners(strategy);
    expect(withThree.filter((owner, bucket) => owner !== before[bucket] && owner !== c)).toEqual([]);
    expect(withThree.filter((owner) => owner === c)).toHaveLength(341);
    strategy.arrange([a, c]);
    const after = owners(strategy);
    expect(after.filter((owner, bucket) => withThree[bucket] !== b && owner !== withThree[bucket])).toEqual([]);
    expect(after).not.toContain(b);
  });

  it('gives a message whose owner is full to nobody, and does not let it block others', () => {
    const [a, b] = [consumer(1), consumer(1)];
    const strategy = strategyOf(name);
    strategy.arrange([a, b]);
    const bucketOfA = owners(strategy).indexOf(a);
    a.unacked.add('x');
    expect(strategy.choose(message(1, bucketOfA))).toBeUndefined();
    expect(strategy.inOrder).toBe(false);
  });
});

describe('the bucket of a key', () => {
  it('is always the same', () => {
    expect([bucketOf('order-1'), bucketOf('')]).toEqual([bucketOf('order-1'), bucketOf('')]);
  });

  it('falls into either half about equally often for names that differ only in their number', () => {
    const buckets = Array.from({ length: 100 }, (_, n) => bucketOf(`order-${n}`));
    expect(Math.abs(buckets.filter((bucket) => bucket < 512).length - 50)).toBeLessThan(15);
  });
});
