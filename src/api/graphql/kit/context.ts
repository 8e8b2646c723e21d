import type { YogaInitialContext } from 'graphql-yoga';
import type { Waits } from '../../../processes/outcomes/waits.ts';
import type { ProjectionOverview } from '../../../projections/runner/overview.ts';
import type { EdgeError } from '../../errors.ts';
import type { Hub } from '../../live/hub.ts';
import type { ReadContext } from '../../reads/context.ts';
import type { Progress } from './progress.ts';

/** What resolvers work with. Each operation has its own. */
export type OperationContext = ReadContext & {
  readonly hub: Hub;
  /** Requests that wait for an outcome. */
  readonly waits: Waits;
  /** Aborts when the client has left. */
  readonly gone: AbortSignal;
  readonly progress: Progress;
  readonly projections: () => Promise<ProjectionOverview[]>;
  /** A subscription of this operation was cut off because its reader is slow. */
  readonly onCutOff: (error: EdgeError) => void;
};

export type ApiContext = YogaInitialContext & OperationContext;
