import type { YogaInitialContext } from 'graphql-yoga';
import type { Caller, Commands } from '../../commands/context.ts';
import type { Position } from '../../eventstore/event-store.ts';
import type { TaskRow } from '../../projections/tasks/table.ts';

/** What resolvers work with. Made anew for each operation. */
export type ApiContext = YogaInitialContext & {
  readonly caller: Caller;
  readonly commands: Commands;
  readonly reads: Reads;
};

/** The read side as one operation sees it. */
export type Reads = {
  /** Waits until the read models hold the log up to `position`. Errors: `AppError` `STALE_READ`. */
  atLeast(position: Position | null | undefined): Promise<void>;
  /** Remembers which log position an answer reflects; the lowest one is told in the response's extensions. */
  reflected(position: Position): void;
  task(taskId: string): Promise<TaskRow | null>;
};
