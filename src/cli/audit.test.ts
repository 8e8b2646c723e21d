import { describe, expect, it } from 'vitest';
import { STREAM_CATEGORIES } from '../domain/ids.ts';
import { type EventContext, encodeEvents, headAfter } from '../eventstore/codec.ts';
import type { EventStore, StoredEvent } from '../eventstore/event-store.ts';
import { EMPTY_HEAD } from '../eventstore/provenance.ts';
import { type Audit, Auditor, auditLog, auditStream } from './audit.ts';

const AT = '2026-07-01T12:00:00.000Z';

const context = (commandId: string): EventContext => ({
  tenant: 'default',
  commandId,
  correlationId: commandId,
  causationId: commandId,
  actor: 'test',
  at: AT,
});

const stream = (agentId: string): string => `agent-default.${agentId}`;

/** Three events of one agent. */
const history = (agentId: string) => {
  const subject = { agentId, pool: 'default' };
  const name = stream(agentId);
  const first = encodeEvents(
    name,
    context(`${agentId}/1`),
    [{ type: 'AgentDrainStarted', data: { ...subject, startedAt: AT } }],
    EMPTY_HEAD,
  );
  const rest = encodeEvents(
    name,
    context(`${agentId}/2`),
    [
      { type: 'AgentDeregistered', data: { ...subject, deregisteredAt: AT } },
      { type: 'AgentDrainStarted', data: { ...subject, reason: 'again', startedAt: AT } },
    ],
    headAfter(first),
  );
  return [...first, ...rest];
};

/** The log as it would be read, with the streams' events taking turns. */
const log = (...agentIds: string[]): StoredEvent[] => {
  const histories = agentIds.map(history);
  return [0, 1, 2].flatMap((revision) =>
    histories.map((events, index) => ({
      ...(events[revision] as (typeof events)[number]),
      stream: stream(agentIds[index] as string),
      revision: BigInt(revision),
      position: BigInt(revision * agentIds.length + index + 1) * 10n,
      recordedAt: AT,
    })),
  );
};

/** Only what an audit uses. */
const storeOf = (events: readonly StoredEvent[]): EventStore =>
  ({
    readAll: async ({ after = 0n, limit }: { after?: bigint; limit: number }) => {
      const rest = events.filter(({ position }) => position > after);
      const page = rest.slice(0, limit);
      return { events: page, next: rest.length > limit ? page.at(-1)?.position : undefined };
    },
    readStream: async (name: string, { from = 0n }: { from?: bigint } = {}) =>
      events.filter((event) => event.stream === name && event.revision >= from),
  }) as unknown as EventStore;

const audit = (events: readonly StoredEvent[]): Promise<Audit> => auditLog(storeOf(events));

const altered = (events: readonly StoredEvent[], index: number, change: Partial<StoredEvent>): StoredEvent[] =>
  events.map((event, at) => (at === index ? { ...event, ...change } : event));

describe('the audit of a log', () => {
  it('counts what it verified', async () => {
    expect(await audit(log('a', 'b'))).toMatchObject({
      streams: 2,
      events: 6,
      foreignEvents: 0,
      position: 60n,
      defects: [],
    });
  });

  it('names the first bad event of each broken stream, and judges nothing after it', async () => {
    const [, , , event] = log('a', 'b') as [unknown, unknown, unknown, StoredEvent];
    const forged = altered(log('a', 'b'), 3, { data: { ...(event.data as object), reason: 'forged' } });
    const { defects, streams } = await audit(forged);
    expect(streams).toBe(2);
    expect(defects).toEqual([
      { stream: stream('b'), revision: 1n, position: 40n, problem: expect.stringContaining('carries hash') },
    ]);
  });

  it('finds a missing event, and a moved one', async () => {
    const missing = (await audit(log('a').toSpliced(1, 1))).defects;
    expect(missing).toMatchObject([{ revision: 2n, problem: 'has revision 2, expected 1' }]);
    const [first, second, third] = log('a') as [StoredEvent, StoredEvent, StoredEvent];
    const swapped = [first, { ...third, revision: 1n }, { ...second, revision: 2n }];
    expect((await audit(swapped)).defects).toHaveLength(1);
  });

  it('gives the same digest for the same log up to a position, and a different one when the end is cut off', async () => {
    const events = log('a', 'b');
    const { digest } = await auditLog(storeOf(events), { to: 40n });
    expect((await audit(events.slice(0, 4))).digest).toBe(digest);
    expect((await audit(events)).digest).not.toBe(digest);
    expect((await audit(events.slice(0, 3))).digest).not.toBe(digest);
  });

  it('counts the events of other programs and does not judge them', async () => {
    const foreign = { ...(log('a')[0] as StoredEvent), stream: 'orders-1', position: 99n };
    expect(await audit([...log('a'), foreign])).toMatchObject({
      events: 3,
      foreignEvents: 1,
      position: 99n,
      defects: [],
    });
  });

  it.each(STREAM_CATEGORIES)('takes streams of the category %s for its own', async (category) => {
    const event = { ...(log('a')[0] as StoredEvent), stream: `${category}-default.x` };
    expect(await audit([event])).toMatchObject({ events: 1, foreignEvents: 0 });
  });

  it('can be limited to one stream', async () => {
    expect(await auditStream(storeOf(log('a', 'b')), stream('b'))).toMatchObject({
      streams: 1,
      events: 3,
      defects: [],
    });
  });

  it('reports nothing for an empty log', async () => {
    expect(new Auditor().result()).toMatchObject({ streams: 0, events: 0, position: undefined, defects: [] });
  });
});
