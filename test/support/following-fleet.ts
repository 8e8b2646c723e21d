import type { EventStore } from '../../src/eventstore/event-store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { BacklogWatch } from '../../src/processes/admission/backlog-watch.ts';
import { PoolOverview } from '../../src/processes/admission/pool-overview.ts';
import { FleetWatch } from '../../src/processes/fleet/fleet-watch.ts';
import type { OwnFoldDeps } from '../../src/processes/own-fold.ts';
import { memorySnapshots } from './leading.ts';

type Unled = { has(pool: string): boolean };

/** The agents and the backlog in memory, as a process of the API has them. */
export const followFleet = (
  given: Pick<OwnFoldDeps, 'feed' | 'logger'> & { readonly unled?: Unled; readonly store: Pick<EventStore, 'head'> },
) => {
  const { unled = { has: () => false }, store, ...ports } = given;
  const deps = {
    ...ports,
    tenant: 'default',
    clock: systemClock,
    snapshots: memorySnapshots(),
    acquireLease: async () => undefined,
  };
  const watch = new FleetWatch(deps);
  const backlog = new BacklogWatch(deps);
  const stopping = new AbortController();
  const running = Promise.all([watch.run(stopping.signal), backlog.run(stopping.signal)]);
  return {
    watch,
    backlog,
    pools: new PoolOverview({
      watch: backlog,
      inUse: { pools: undefined },
      unled,
      head: () => store.head(),
      clock: systemClock,
    }),
    async stop(): Promise<void> {
      stopping.abort();
      await running;
    },
  };
};
