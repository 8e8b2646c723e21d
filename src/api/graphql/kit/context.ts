import type { YogaInitialContext } from 'graphql-yoga';
import type { Caller, Commands } from '../../../commands/context.ts';
import type { ProjectionOverview } from '../../../projections/runner/overview.ts';
import type { EdgeError } from '../../errors.ts';
import type { Hub } from '../../live/hub.ts';
import type { Reads } from './reads.ts';

/** What resolvers work with. Each operation has its own. */
export type OperationContext = {
  readonly caller: Caller;
  readonly commands: Commands;
  readonly reads: Reads;
  readonly hub: Hub;
  /** Pools in use that no process leads. */
  readonly unledPools: { has(pool: string): boolean };
  readonly projections: () => Promise<ProjectionOverview[]>;
  /** A subscription of this operation was cut off because its reader is slow. */
  readonly onCutOff: (error: EdgeError) => void;
};

export type ApiContext = YogaInitialContext & OperationContext;
