import type { Json } from '../../domain/json.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import type { TaskOutcome } from '../../processes/outcomes/task-outcomes.ts';
import type { TaskStatus } from '../../projections/tasks/table.ts';

export const ENDED_STATUSES = ['completed', 'cancelled', 'dead_lettered'] as const satisfies readonly TaskStatus[];

/** How a task ended, in the words that the API has for the state of a task. */
export type EndedTask = {
  readonly status: (typeof ENDED_STATUSES)[number];
  readonly result?: Json;
  readonly agentId?: string;
  readonly attempt?: number;
  readonly error?: AttemptError;
};

export const endedTask = (outcome: TaskOutcome): EndedTask =>
  outcome.status === 'deadLettered' ? { ...outcome, status: 'dead_lettered' } : outcome;
