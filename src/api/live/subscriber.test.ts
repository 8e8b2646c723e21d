import { describe, expect, it } from 'vitest';
import { EdgeError } from '../errors.ts';
import { type Placed, Subscriber } from './subscriber.ts';

const at = (...positions: number[]): Placed[] => positions.map((position) => ({ position: BigInt(position) }));
const filled = (limit: number, after: number, changes: readonly Placed[]): Subscriber<Placed> => {
  const subscriber = new Subscriber<Placed>(BigInt(after), limit);
  for (const change of changes) subscriber.push(change);
  return subscriber;
};

describe('a reader that keeps up', () => {
  it('gets what comes after its position', async () =>
    expect(await filled(10, 5, at(4, 5, 6, 7)).take(10)).toEqual(at(6, 7)));

  it('waits for the next change', async () => {
    const subscriber = filled(10, 0, []);
    const taken = subscriber.take(10);
    subscriber.push({ position: 1n });
    expect(await taken).toEqual(at(1));
  });

  it('gets the changes of one position together', async () => {
    const subscriber = filled(10, 0, at(1, 2, 2, 2, 3));
    expect(await subscriber.take(2)).toEqual(at(1, 2, 2, 2));
    expect(await subscriber.take(2)).toEqual(at(3));
  });

  it('gets the waiting changes, then the end', async () => {
    const subscriber = filled(10, 0, at(1));
    subscriber.end();
    subscriber.push({ position: 2n });
    expect(await subscriber.take(10)).toEqual(at(1));
    expect(await subscriber.take(10)).toBeUndefined();
  });
});

describe('a reader that does not keep up', () => {
  it('is cut off once too many changes wait, with the position to resume from', async () => {
    const told: string[] = [];
    const subscriber = new Subscriber<Placed>(0n, 3, ({ code }) => told.push(code));
    for (const change of at(1, 2)) subscriber.push(change);
    await subscriber.take(10);
    for (const change of at(3, 4, 5, 6, 7)) subscriber.push(change);
    const refusal = await subscriber.take(10).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(EdgeError);
    expect(refusal).toMatchObject({ code: 'SLOW_CONSUMER', details: { limit: 3, resumeFrom: '2' } });
    expect(told).toEqual(['SLOW_CONSUMER']);
  });
});
