import type { Caller, Commands } from '../../commands/context.ts';
import type { PoolOverview } from '../../processes/admission/pool-overview.ts';
import type { FleetWatch } from '../../processes/fleet/fleet-watch.ts';
import type { Reads } from './reads.ts';

/** What the queries of a request work with, whatever its protocol. */
export type ReadContext = {
  readonly caller: Caller;
  readonly commands: Commands;
  readonly reads: Reads;
  /** Pools in use that no process leads. */
  readonly unledPools: { has(pool: string): boolean };
  /** The agents as this process has them in memory. */
  readonly fleet: Pick<FleetWatch, 'discover'>;
  /** What waits in the pools, and what people have decided about them, as this process has it in memory. */
  readonly pools: Pick<PoolOverview, 'pools' | 'controlOf' | 'expect'>;
};
