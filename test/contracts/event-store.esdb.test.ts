import { randomUUID } from 'node:crypto';
import { expect, inject, it } from 'vitest';
import { encodeEvents } from '../../src/eventstore/codec.ts';
import { createEsdbEventStore } from '../../src/eventstore/esdb-event-store.ts';
import { EMPTY_HEAD } from '../../src/eventstore/provenance.ts';
import { type Clock, systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { describeEventStore } from './event-store.contract.ts';

const ports = { clock: systemClock, logger: createLogger('warn') };

describeEventStore('EventStoreDB', async () => createEsdbEventStore(inject('eventStoreUrl'), ports));

it('an append succeeds although the clock here is ten minutes behind that of the server', async () => {
  const clock: Clock = { ...systemClock, now: () => Date.now() - 600_000 };
  const store = createEsdbEventStore(inject('eventStoreUrl'), { ...ports, clock });
  const taskId = randomUUID();
  const stream = `task-default.${taskId}`;
  const at = new Date(clock.now()).toISOString();
  const context = {
    tenant: 'default',
    commandId: taskId,
    correlationId: taskId,
    causationId: taskId,
    actor: 'test',
    at,
  };
  const events = encodeEvents(
    stream,
    context,
    [{ type: 'TaskCancelled', data: { taskId, cancelledAt: at } }],
    EMPTY_HEAD,
  );
  await expect(store.append(stream, events, { expectedRevision: 'no_stream' })).resolves.toMatchObject({
    revision: 0n,
  });
  await store.close();
});
