import { inject } from 'vitest';
import { createEsdbEventStore } from '../../src/eventstore/esdb-event-store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { describeEventStore } from './event-store.contract.ts';

const ports = { clock: systemClock, logger: createLogger('warn') };

describeEventStore('EventStoreDB', async () => createEsdbEventStore(inject('eventStoreUrl'), ports));
