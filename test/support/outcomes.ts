import type { Commands } from '../../src/commands/context.ts';
import type { EventStore } from '../../src/eventstore/event-store.ts';
import type { LogFeed } from '../../src/eventstore/log-feed.ts';
import { type Clock, systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { ExecutionOutcomes } from '../../src/processes/outcomes/execution-outcomes.ts';
import { TaskOutcomes } from '../../src/processes/outcomes/task-outcomes.ts';
import { Waits } from '../../src/processes/outcomes/waits.ts';

type Ports = { readonly store: EventStore; readonly feed: LogFeed; readonly commands: Commands };

/** What tells callers the outcome of tasks and executions, following the log as every process does. */
export const followOutcomes = (
  { store, feed, commands }: Ports,
  { clock = systemClock, limit }: { readonly clock?: Clock; readonly limit?: number } = {},
) => {
  const ports = { feed, clock: systemClock, logger: createLogger('silent') };
  const tasks = new TaskOutcomes({ ...ports, store, tasks: commands.tasks });
  const executions = new ExecutionOutcomes({ ...ports, executions: commands.executions });
  const stopping = new AbortController();
  const running = Promise.all([tasks.run(stopping.signal), executions.run(stopping.signal)]);
  return {
    tasks,
    executions,
    waits: new Waits({ tasks, executions, clock, ...(limit === undefined ? {} : { limit }) }),
    async stop(): Promise<void> {
      stopping.abort();
      await running;
    },
  };
};
