import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Json } from '../../src/domain/json.ts';
import {
  type AllSubscription,
  type EventMetadata,
  type EventStore,
  type NewEvent,
  type Position,
  RevisionConflict,
  type StoredEvent,
} from '../../src/eventstore/event-store.ts';
import { AppError } from '../../src/platform/errors.ts';

const metadata: EventMetadata = {
  tenant: 'default',
  commandId: 'c',
  $correlationId: 'c',
  $causationId: 'c',
  actor: 'test',
  at: '2026-01-01T00:00:00.000Z',
  schemaVersion: 1,
  prevHash: '0'.repeat(64),
  hash: 'f'.repeat(64),
};

const event = (data: Json = {}, type = 'TestHappened'): NewEvent => ({ id: randomUUID(), type, data, metadata });
const events = (count: number): NewEvent[] => Array.from({ length: count }, (_, n) => event({ n }));
const idsOf = (list: readonly { readonly id: string }[]): string[] => list.map(({ id }) => id);
const within = { timeout: 15_000, interval: 5 };

/** What every `EventStore` does. The store may be shared and hold other events. */
export const describeEventStore = (name: string, open: () => Promise<EventStore>) =>
  describe(`${name} as event store`, () => {
    let store: EventStore;
    let stream: string;
    /** Head of the log before the test: it starts here. */
    let start: Position | undefined;

    beforeEach(async () => {
      store = await open();
      stream = `test-default.${randomUUID()}`;
      start = await store.head();
    });
    afterEach(() => store.close());

    const append = (list: readonly NewEvent[], expectedRevision: bigint | 'no_stream' = 'no_stream', to = stream) =>
      store.append(to, list, { expectedRevision });

    const readAllAfter = async (after: Position | undefined, limit: number): Promise<StoredEvent[]> => {
      const all: StoredEvent[] = [];
      for (let from = after; ; ) {
        const page = await store.readAll({ ...(from === undefined ? {} : { after: from }), limit });
        expect(page.events.length).toBeLessThanOrEqual(limit);
        all.push(...page.events);
        if (page.next === undefined) return all;
        from = page.next;
      }
    };

    const subscribe = (
      after: Position | 'end' | undefined,
      take: (event: StoredEvent) => void | Promise<void> = () => {},
    ): AllSubscription & { readonly seen: StoredEvent[]; readonly caughtUp: Promise<void> } => {
      const seen: StoredEvent[] = [];
      const state = { caughtUp: () => {} };
      const caughtUp = new Promise<void>((resolve) => {
        state.caughtUp = resolve;
      });
      const subscription = store.subscribeAll(
        {
          onEvent(stored) {
            seen.push(stored);
            return take(stored);
          },
          onCaughtUp: () => state.caughtUp(),
        },
        after === undefined ? {} : { after },
      );
      return { done: subscription.done, stop: () => subscription.stop(), seen, caughtUp };
    };

    describe('a stream', () => {
      it('contains its events in order, with everything that was appended', async () => {
        const written = events(3);
        const appended = await append(written);
        const stored = await store.readStream(stream);
        expect(appended.revision).toBe(2n);
        expect(stored.map(({ id, type, data, metadata }) => ({ id, type, data, metadata }))).toEqual(written);
        expect(stored.map(({ stream, revision }) => [stream, revision])).toEqual([0n, 1n, 2n].map((n) => [stream, n]));
        expect(stored.at(-1)?.position).toBe(appended.position);
        for (const { recordedAt } of stored) expect(new Date(recordedAt).toISOString()).toBe(recordedAt);
      });

      it('is empty when it does not exist', async () => {
        expect(await store.readStream(stream)).toEqual([]);
        expect(await store.readStream(stream, { direction: 'backwards', limit: 1 })).toEqual([]);
      });

      it('can be read from a revision, forwards and backwards, up to a limit', async () => {
        await append(events(10));
        const revisions = async (options: Parameters<EventStore['readStream']>[1]) =>
          (await store.readStream(stream, options)).map(({ revision }) => Number(revision));
        expect(await revisions({ from: 7n })).toEqual([7, 8, 9]);
        expect(await revisions({ from: 2n, limit: 3 })).toEqual([2, 3, 4]);
        expect(await revisions({ from: 10n })).toEqual([]);
        expect(await revisions({ direction: 'backwards', limit: 2 })).toEqual([9, 8]);
        expect(await revisions({ direction: 'backwards', from: 2n })).toEqual([2, 1, 0]);
        expect(await revisions({ direction: 'backwards', from: 50n, limit: 1 })).toEqual([9]);
      });

      it('returns every JSON value unchanged, including Unicode and nested values', async () => {
        let deep: Json = 'bottom';
        for (let level = 0; level < 64; level += 1) deep = level % 2 ? [deep] : { deep };
        const values: Json[] = [
          'ß → 日本語 🧵 \u2028 \u0000 "quoted" \\ /',
          { 'a key with "quotes" and 🔑': [0, -1, 1.5e-7, 1e21, 2 ** 53, null, true, false, '', {}, []] },
          deep,
          'x'.repeat(200_000),
          ...(fc.sample(fc.jsonValue(), { numRuns: 200, seed: 7 }) as Json[]),
        ];
        await append(values.map((value) => event(value)));
        const stored = await store.readStream(stream);
        // The form in which JSON stores them: the only difference is that -0 becomes 0.
        expect(stored.map(({ data }) => data)).toEqual(JSON.parse(JSON.stringify(values)));
      });
    });

    describe('the expected revision', () => {
      it('no_stream is refused once the stream exists', async () => {
        await append(events(2));
        const refused = await append(events(1)).catch((error: unknown) => error);
        expect(refused).toBeInstanceOf(RevisionConflict);
        expect(refused).toMatchObject({ stream, expected: 'no_stream', actual: 1n });
      });

      it('must be the last revision', async () => {
        await append(events(3));
        for (const expected of [0n, 1n, 3n, 100n])
          await expect(append(events(1), expected)).rejects.toMatchObject({
            name: 'RevisionConflict',
            expected,
            actual: 2n,
          });
        expect((await append(events(1), 2n)).revision).toBe(3n);
        expect(await store.readStream(stream)).toHaveLength(4);
      });

      it('of a stream that does not exist is refused', async () => {
        await expect(append(events(1), 0n)).rejects.toMatchObject({ name: 'RevisionConflict', actual: 'no_stream' });
        expect(await store.readStream(stream)).toEqual([]);
      });

      it('lets exactly one of many writers win', async () => {
        await append(events(1));
        const outcomes = await Promise.allSettled(Array.from({ length: 16 }, () => append(events(2), 0n)));
        const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
        expect(lost).toHaveLength(15);
        for (const reason of lost) expect(reason).toBeInstanceOf(RevisionConflict);
        expect(await store.readStream(stream)).toHaveLength(3);
      });
    });

    describe('an append that is repeated', () => {
      it('returns the place of the first one, even after others have appended', async () => {
        await append(events(1));
        const written = events(3);
        const first = await append(written, 0n);
        expect(await append(written, 0n)).toEqual(first);
        await append(events(2), 3n);
        expect(await append(written, 0n)).toEqual(first);
        expect(await append(written.slice(0, 2), 0n)).toMatchObject({ revision: 2n });
        expect(await store.readStream(stream)).toHaveLength(6);
      });

      it('to a new stream returns the place of the first one', async () => {
        const written = events(2);
        const first = await append(written);
        expect(await append(written)).toEqual(first);
      });

      it('conflicts when it is not exactly the same', async () => {
        const written = events(2);
        await append(written);
        await expect(append([...written, event()])).rejects.toBeInstanceOf(RevisionConflict);
        await expect(append([written[0] as NewEvent, event()])).rejects.toBeInstanceOf(RevisionConflict);
        expect(await store.readStream(stream)).toHaveLength(2);
      });

      it('is a new append when it expects a newer revision', async () => {
        const written = events(1);
        const first = await append(written);
        const second = await append(written, 0n);
        expect(second.revision).toBe(1n);
        expect(second.position > first.position).toBe(true);
        expect(idsOf(await store.readStream(stream))).toEqual([written[0]?.id, written[0]?.id]);
      });
    });

    it('refuses an append that is too large, and names the limit', async () => {
      const refused = await append([event('x'.repeat(600_000)), event('x'.repeat(600_000))]).catch(
        (error: unknown) => error,
      );
      expect(refused).toBeInstanceOf(AppError);
      expect(refused).toMatchObject({ code: 'BAD_USER_INPUT', retryable: false, details: { limit: 1_048_576 } });
      expect(await store.readStream(stream)).toEqual([]);
    });

    describe('the log', () => {
      const appendMixed = async (): Promise<string[]> => {
        const order: string[] = [];
        for (let n = 0; n < 12; n += 1) {
          const own = event({ n });
          order.push(own.id);
          await append([own], n < 3 ? 'no_stream' : BigInt(Math.floor(n / 3) - 1), `${stream}-${n % 3}`);
          if (n % 4 === 0) await append([event({}, '$note')], 'no_stream', `${stream}-note-${n}`);
          if (n % 4 === 2) await append(events(1), 'no_stream', `$${stream}-${n}`);
        }
        return order;
      };

      it('contains the events of all streams in append order, in pages, without system events', async () => {
        const order = await appendMixed();
        for (const limit of [1, 2, 5, 18, 19, 1_000]) expect(idsOf(await readAllAfter(start, limit))).toEqual(order);
        const all = await readAllAfter(start, 100);
        const positions = all.map(({ position }) => position);
        expect(positions).toEqual([...positions].sort((a, b) => (a < b ? -1 : 1)));
        for (const [index, { position }] of all.entries())
          expect(idsOf(await readAllAfter(position, 100))).toEqual(order.slice(index + 1));
      });

      it('has each event at the position that its stream reports', async () => {
        await append(events(3));
        expect(await store.readStream(stream)).toEqual(await readAllAfter(start, 10));
      });

      it('ends at the head, which is not a system event', async () => {
        const { position } = await append(events(2));
        expect(await store.head()).toBe(position);
        for (let n = 0; n < 150; n += 50)
          await append(
            Array.from({ length: 50 }, () => event({}, '$note')),
            n === 0 ? 'no_stream' : BigInt(n - 1),
            `${stream}-notes`,
          );
        expect(await store.head()).toBe(position);
        expect(await readAllAfter(position, 10)).toEqual([]);
      });
    });

    describe('a subscription', () => {
      it('starts after a position and continues live', async () => {
        const history = events(5);
        await append(history);
        const middle = (await store.readStream(stream))[1]?.position;
        const subscription = subscribe(middle);
        await subscription.caughtUp;
        expect(idsOf(subscription.seen)).toEqual(idsOf(history.slice(2)));
        const later = events(2);
        await append(later, 4n);
        await vi.waitFor(
          () => expect(idsOf(subscription.seen)).toEqual(idsOf([...history.slice(2), ...later])),
          within,
        );
        expect(subscription.seen).toEqual((await store.readStream(stream)).slice(2));
        subscription.stop();
        await subscription.done;
      });

      it('starts at the end', async () => {
        await append(events(5));
        const subscription = subscribe('end');
        await subscription.caughtUp;
        const later = events(2);
        await append(later, 4n);
        await vi.waitFor(() => expect(idsOf(subscription.seen)).toEqual(idsOf(later)), within);
        subscription.stop();
      });

      it('starts at the beginning', async () => {
        const written = events(3);
        await append(written);
        const subscription = subscribe(undefined);
        await subscription.caughtUp;
        expect(idsOf(subscription.seen.slice(-3))).toEqual(idsOf(written));
        subscription.stop();
        await subscription.done;
        expect(subscription.seen).toEqual(await readAllAfter(undefined, 500));
      });

      it('omits system events', async () => {
        const subscription = subscribe(start);
        await append([event({}, '$note')], 'no_stream', `${stream}-note`);
        await append(events(1), 'no_stream', `$${stream}`);
        const written = events(1);
        await append(written);
        await vi.waitFor(() => expect(idsOf(subscription.seen)).toEqual(idsOf(written)), within);
        subscription.stop();
      });

      it('misses and repeats nothing at the switch from history to live, while four writers append', async () => {
        const perWriter = 150;
        const writers = Array.from({ length: 4 }, async (_, writer) => {
          for (let n = 0; n < perWriter; n += 1)
            await append(events(1), n === 0 ? 'no_stream' : BigInt(n - 1), `${stream}-${writer}`);
        });
        const subscriptions: ReturnType<typeof subscribe>[] = [];
        const opening = (async () => {
          for (let n = 0; n < 8; n += 1) {
            subscriptions.push(subscribe(start));
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
        })();
        await Promise.all([...writers, opening]);
        const log = idsOf(await readAllAfter(start, 1_000));
        expect(log).toHaveLength(4 * perWriter);
        for (const subscription of subscriptions) {
          await vi.waitFor(() => expect(subscription.seen.length).toBeGreaterThanOrEqual(log.length), within);
          expect(idsOf(subscription.seen)).toEqual(log);
          subscription.stop();
        }
      });

      it('reports checkpoints from which it can be resumed', async () => {
        let notes = -1n;
        for (let n = 0; n < 6; n += 1) {
          await append(events(60), n === 0 ? 'no_stream' : BigInt(60 * n - 1));
          await append(
            Array.from({ length: 60 }, () => event({}, '$note')),
            notes === -1n ? 'no_stream' : notes,
            `${stream}-notes`,
          );
          notes += 60n;
        }
        const log = await readAllAfter(start, 1_000);
        const seen: StoredEvent[] = [];
        const checkpoints: Position[] = [];
        await new Promise<void>((resolve, reject) => {
          const subscription = store.subscribeAll(
            {
              // Busy with some: a checkpoint must not overtake them.
              onEvent: (stored) => {
                seen.push(stored);
                return seen.length % 7 === 0 ? nextTurn() : undefined;
              },
              onCheckpoint: (position) => {
                checkpoints.push(position);
                try {
                  expect(seen).toEqual(log.filter((stored) => stored.position <= position));
                } catch (error) {
                  reject(error);
                }
                if (checkpoints.length === 2) {
                  subscription.stop();
                  resolve();
                }
              },
            },
            start === undefined ? {} : { after: start },
          );
        });
        const [first, last] = [checkpoints[0] as Position, checkpoints[1] as Position];
        expect(first < last).toBe(true);
        const resumed = subscribe(last);
        await resumed.caughtUp;
        expect(resumed.seen).toEqual(log.filter((stored) => stored.position > last));
        resumed.stop();
      });

      it('waits for a busy subscriber, and calls it for one event at a time', async () => {
        for (let n = 0; n < 1_500; n += 500) await append(events(500), n === 0 ? 'no_stream' : BigInt(n - 1));
        let running = 0;
        let most = 0;
        const gate = { open: () => {} };
        const opened = new Promise<void>((resolve) => {
          gate.open = resolve;
        });
        const subscription = subscribe(start, async () => {
          running += 1;
          most = Math.max(most, running);
          await opened;
          if (subscription.seen.length % 100 === 0) await nextTurn();
          running -= 1;
        });
        await vi.waitFor(() => expect(subscription.seen).toHaveLength(1), within);
        await append(events(1), 1_499n);
        expect(subscription.seen).toHaveLength(1);
        gate.open();
        await vi.waitFor(() => expect(subscription.seen).toHaveLength(1_501), within);
        expect(most).toBe(1);
        expect(idsOf(subscription.seen)).toEqual(idsOf(await readAllAfter(start, 2_000)));
        subscription.stop();
      });

      it('delivers nothing after stop, which resolves done', async () => {
        await append(events(50));
        const subscription = subscribe(start, () => {
          if (subscription.seen.length === 10) subscription.stop();
        });
        await subscription.done;
        await append(events(5), 49n);
        await vi.waitFor(async () => expect(await store.readStream(stream)).toHaveLength(55), within);
        expect(subscription.seen).toHaveLength(10);
      });

      it('resolves done only once the subscriber has finished', async () => {
        await append(events(2));
        let finished = false;
        const subscription = subscribe(start, async () => {
          subscription.stop();
          for (let turn = 0; turn < 20; turn += 1) await nextTurn();
          finished = true;
        });
        await subscription.done;
        expect(finished).toBe(true);
        expect(subscription.seen).toHaveLength(1);
      });

      it('stops when its signal aborts, even before it began', async () => {
        const abort = new AbortController();
        const seen: StoredEvent[] = [];
        const subscriber = { onEvent: (stored: StoredEvent) => void seen.push(stored) };
        const running = store.subscribeAll(subscriber, { after: 'end', signal: abort.signal });
        abort.abort();
        await running.done;
        await store.subscribeAll(subscriber, { signal: abort.signal }).done;
        expect(seen).toEqual([]);
      });

      it('ends with the error of its subscriber', async () => {
        await append(events(3));
        const thrown = subscribe(start, () => {
          throw new Error('cannot take this');
        });
        await expect(thrown.done).rejects.toThrow('cannot take this');
        const rejected = subscribe(start, async () => {
          await nextTurn();
          throw new Error('nor this');
        });
        await expect(rejected.done).rejects.toThrow('nor this');
        expect([thrown.seen.length, rejected.seen.length]).toEqual([1, 1]);
      });
    });

    it('stops subscriptions and refuses calls once it is closed', async () => {
      const subscription = subscribe('end');
      await store.close();
      await subscription.done;
      await expect(append(events(1))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await expect(store.readStream(stream)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await expect(store.head()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    });
  });
