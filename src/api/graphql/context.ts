import type { YogaInitialContext } from 'graphql-yoga';
import type { Caller, Commands } from '../../commands/context.ts';
import type { Reads } from './reads.ts';

/** What resolvers work with. Made anew for each operation. */
export type OperationContext = {
  readonly caller: Caller;
  readonly commands: Commands;
  readonly reads: Reads;
};

export type ApiContext = YogaInitialContext & OperationContext;
