import { describe, expect, it } from 'vitest';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import { OutcomeBook } from './outcome-book.ts';

describe('a book of outcomes', () => {
  it('remembers many small ones', () => {
    const book = new OutcomeBook<{ result: number }>();
    for (let count = 0; count < 5_000; count += 1) book.settle(`task-${count}`, { result: count });
    expect(book.recent('task-0')).toEqual({ result: 0 });
  });

  it('forgets who has left', async () => {
    const book = new OutcomeBook<{ result: number }>();
    const leaving = new AbortController();
    const wait = book.next('task-1', leaving.signal);
    leaving.abort();
    await expect(wait).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(book.mayEnd({ stream: 'task-1', type: 'OfANewerBuild' } as StoredEvent)).toBe(false);
  });

  it('does not keep large ones beyond a bound in bytes, and tells those who wait all the same', async () => {
    const book = new OutcomeBook<{ result: string }>();
    const large = 'x'.repeat(256 * 1024);
    const first = book.next('task-0');
    for (let count = 0; count < 500; count += 1) book.settle(`task-${count}`, { result: large });
    expect(await first).toEqual({ result: large });
    const kept = Array.from({ length: 500 }, (_, count) => book.recent(`task-${count}`)).filter(Boolean);
    expect(kept.length).toBeGreaterThan(100);
    expect(kept.length).toBeLessThanOrEqual(256);
    expect(book.recent('task-499')).toBeDefined();
  });
});
