import { createMemoryEventStore } from '../../src/eventstore/memory-event-store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { describeEventStore } from './event-store.contract.ts';

describeEventStore('memory', async () => createMemoryEventStore({ clock: systemClock }));
