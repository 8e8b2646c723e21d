import { setImmediate as nextTurn } from 'node:timers/promises';
import { createMemoryEventStore } from '../../../src/eventstore/memory-event-store.ts';
import { diceOf } from '../executions-definitions.ts';
import { fakeRandom } from '../fake-ports.ts';
import { rightTime, SimProcess } from './process.ts';
import { SimServer } from './server.ts';
import { SimLog } from './sim-event-store.ts';
import { SimPostgres } from './sim-postgres.ts';
import { SimRedis } from './sim-redis.ts';
import { Timeline } from './timeline.ts';

const STEP_MS = 20;

/** The simulated stores without a world around them, for their contracts: time passes by itself, as fast as it can. */
export const runningStores = () => {
  const timeline = new Timeline();
  const dice = diceOf(fakeRandom(1));
  const server = (name: string) => new SimServer({ name, timeline, dice, timeoutMs: 10_000 });
  let isOpen = true;
  const pump = async (): Promise<void> => {
    while (isOpen) {
      await timeline.advance(timeline.nowMs + STEP_MS);
      await nextTurn();
    }
  };
  void pump();
  return {
    process: (name: string) => new SimProcess(name, timeline),
    log: new SimLog(createMemoryEventStore({ clock: { now: () => rightTime(timeline) } }), server('the log'), timeline),
    postgres: new SimPostgres(server('Postgres'), timeline),
    redis: new SimRedis(server('Redis'), timeline),
    close: async (): Promise<void> => {
      isOpen = false;
    },
  };
};
