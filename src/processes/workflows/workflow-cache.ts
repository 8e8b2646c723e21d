import type { WorkflowHandler } from '../../commands/context.ts';
import { isIn } from '../../domain/ids.ts';
import { type FollowPorts, followLog } from '../../eventstore/follow-log.ts';

/** Drops cached definitions when another process publishes or retires a version, until `signal` aborts. */
export const keepWorkflowCache = (
  ports: FollowPorts,
  workflows: Pick<WorkflowHandler, 'observe'>,
  signal: AbortSignal,
): Promise<void> =>
  followLog({ ...ports, name: 'the workflow cache', signal }, (event) => {
    if (isIn('workflow', event.stream)) workflows.observe(event);
  });
