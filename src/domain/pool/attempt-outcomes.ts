import type { TaskEvent } from '../task/events.ts';
import type { Roster } from './roster.ts';
import type { TaskEntry } from './task-entry.ts';

type Ended = Extract<TaskEvent, { type: 'TaskCompleted' | 'TaskOutcomeUnknown' }>;

/**
 * What the last attempt of a task says of its agent.
 *
 * @param task as it was, if it was open
 */
export const learnFromEnd = (roster: Roster, task: TaskEntry | undefined, event: Ended): void => {
  const { agentId, attempt } = event.data;
  const held = task?.attempt === attempt ? { ...task, agentId } : undefined;
  if (event.type === 'TaskCompleted') {
    roster.completed(agentId, event.data.durationMs);
    roster.reached(agentId);
    if (held) roster.answered(held);
  } else if (held) roster.judge(held, { error: event.data.error, failedAt: event.data.occurredAt });
  else roster.failed(agentId);
};
