import type { WorkflowHandler } from '../../commands/context.ts';
import type { LogFeed } from '../../eventstore/log-feed.ts';

/** Drops cached definitions when another process publishes or retires a version, until `signal` aborts. */
export const keepWorkflowCache = async (
  feed: LogFeed,
  workflows: Pick<WorkflowHandler, 'observe'>,
  signal: AbortSignal,
): Promise<void> => {
  const after = feed.status().position;
  for await (const { events } of feed.read({ ...(after === undefined ? {} : { after }), maxBatch: 1_000, signal }))
    for (const event of events) if (event.stream.startsWith('workflow-')) workflows.observe(event);
};
