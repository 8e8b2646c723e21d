import type { WorkflowHandler } from '../../commands/context.ts';
import { isIn } from '../../domain/ids.ts';
import type { LogFeed } from '../../eventstore/log-feed.ts';
import { followFromNow } from '../outcomes/outcome-book.ts';

/** Drops cached definitions when another process publishes or retires a version, until `signal` aborts. */
export const keepWorkflowCache = (
  feed: LogFeed,
  workflows: Pick<WorkflowHandler, 'observe'>,
  signal: AbortSignal,
): Promise<void> =>
  followFromNow(feed, signal, (event) => {
    if (isIn('workflow', event.stream)) workflows.observe(event);
  });
