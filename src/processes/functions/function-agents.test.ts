import { expect, it } from 'vitest';
import { commandsOver, fakeClock } from '../../../test/support/fake-ports.ts';
import { RegisterAgentInput } from '../../domain/agent/commands.ts';
import { agentStream } from '../../domain/ids.ts';
import { LogFeed } from '../../eventstore/log-feed.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { systemClock } from '../../platform/clock.ts';
import { createLogger } from '../../platform/logger.ts';
import { FunctionAgents } from './function-agents.ts';
import type { FunctionOffer } from './function-offers.ts';

const FUNCTIONS = 100;

it('many functions share a look at who else offers them, and count the places of others', async () => {
  const clock = fakeClock();
  const store = createMemoryEventStore({ clock });
  const logger = createLogger('silent');
  const feed = await LogFeed.start({ store, clock: systemClock, logger });
  const offered: FunctionOffer[] = [{ agentId: 'f7', processId: 'other', places: 3 }];
  const shared: string[] = [];
  let looks = 0;
  const agents = new FunctionAgents({
    tenant: 'default',
    processId: 'here',
    commands: commandsOver(store, { clock }),
    feed,
    clock,
    logger,
    offers: {
      offer: async (_, made) => void offered.push(...made),
      withdraw: async () => {},
      current: async () => {
        looks += 1;
        return [...offered];
      },
    },
    onShared: (agentId, isShared) => void (isShared && shared.push(agentId)),
  });
  const offer = (n: number) =>
    agents.offer(RegisterAgentInput.parse({ agentId: `f${n}`, capabilities: [{ name: 'work' }], maxConcurrency: 2 }));
  for (let n = 0; n < FUNCTIONS; n += 1) await offer(n);
  expect(looks).toBe(1);
  clock.advance(1_000);
  await offer(FUNCTIONS);
  expect(looks).toBe(2);
  const placesAt = async (agentId: string) =>
    (await store.readStream(agentStream('default', agentId))).map(
      ({ data }) => (data as { maxConcurrency: number }).maxConcurrency,
    );
  expect([await placesAt('f7'), await placesAt('f8')]).toEqual([[5], [2]]);
  expect(new Set(shared)).toEqual(new Set(['f7']));
  await feed.stop();
});
