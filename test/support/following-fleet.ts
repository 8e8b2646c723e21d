import { systemClock } from '../../src/platform/clock.ts';
import { FleetWatch } from '../../src/processes/fleet/fleet-watch.ts';
import type { OwnFoldDeps } from '../../src/processes/own-fold.ts';
import { memorySnapshots } from './leading.ts';

/** The agents in memory, as a process of the API has them. */
export const followFleet = (deps: Pick<OwnFoldDeps, 'feed' | 'logger'>) => {
  const watch = new FleetWatch({
    ...deps,
    tenant: 'default',
    clock: systemClock,
    snapshots: memorySnapshots(),
    acquireLease: async () => undefined,
  });
  const stopping = new AbortController();
  const running = watch.run(stopping.signal);
  return {
    watch,
    async stop(): Promise<void> {
      stopping.abort();
      await running;
    },
  };
};
