import { readPoolsLed } from '../processes/assigner/pool-leases.ts';
import { ServedPools } from '../processes/pools/served-pools.ts';
import { UnledPools } from '../processes/pools/unled-pools.ts';
import type { Process } from '../processes/run.ts';
import { type Core, ports } from './core.ts';

export type Pools = {
  /** Those that this process leads and calls agents for, where it has these roles. */
  readonly served: ServedPools;
  readonly unled: UnledPools;
  readonly processes: readonly Process[];
};

/** What every process knows of the pools. */
export const createPools = ({ tenant, config, database, pools: watch, fleet, backlog, logger }: Core): Pools => {
  const served = new ServedPools({ watch, only: config.pools, clock: ports.clock });
  const unled = new UnledPools({ watch, look: () => readPoolsLed(database, tenant), clock: ports.clock, logger });
  const looks = config.roles.includes('api')
    ? [
        { name: 'unled pools', run: unled.run.bind(unled) },
        { name: 'fleet', run: (signal: AbortSignal) => fleet.run(signal) },
        { name: 'backlog', run: (signal: AbortSignal) => backlog.run(signal) },
      ]
    : [];
  return {
    served,
    unled,
    processes: [
      { name: 'pools', run: (signal) => watch.run(signal) },
      { name: 'served pools', run: (signal) => served.run(signal) },
      ...looks,
    ],
  };
};
