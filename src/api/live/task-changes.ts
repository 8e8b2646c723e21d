import { isIn, taskStream } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import type { Assignment, PoolEvent } from '../../domain/pool/events.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { Position, StoredEvent } from '../../eventstore/event-store.ts';
import { isTaskEvent, summaryOfAssignment, summaryOfTaskEvent } from '../../wording/task-events.ts';
import type { Concern } from './topic.ts';

/** One event of a task. Assignments are recorded in the pool's ledger and appear here as events of the task. */
export type TaskChange = {
  readonly position: Position;
  /** Event type, or `TaskAssigned`. */
  readonly type: string;
  readonly at: string;
  readonly taskId: string;
  readonly attempt: number | null;
  readonly agentId: string | null;
  readonly summary: string;
  readonly actor: string | null;
  readonly data: Json;
};

/** Undefined for an event that is not a task's, or that this build does not know. */
export const changeOfTask = (stored: StoredEvent): TaskChange | undefined => {
  const event = decodeEvent(stored);
  if (event === undefined || !isTaskEvent(event)) return undefined;
  const { data } = event;
  return {
    position: stored.position,
    type: event.type,
    at: stored.metadata.at,
    taskId: data.taskId,
    attempt: 'attempt' in data ? data.attempt : null,
    agentId: 'agentId' in data ? (data.agentId ?? null) : null,
    summary: summaryOfTaskEvent(event),
    actor: stored.metadata.actor,
    data: data as Json,
  };
};

export const changeOfAssignment = (
  assignment: Assignment,
  { assignedAt, position }: { readonly assignedAt: string; readonly position: Position },
): TaskChange => {
  const { taskId, attempt, agentId, expiresAt, reason } = assignment;
  return {
    position,
    type: 'TaskAssigned',
    at: assignedAt,
    taskId,
    attempt,
    agentId,
    summary: summaryOfAssignment(assignment),
    actor: null,
    data: { taskId, attempt, agentId, expiresAt, reason: reason as Json },
  };
};

const assignmentConcerns = (stored: StoredEvent): Concern<TaskChange>[] => {
  if (stored.type !== ('TasksAssigned' satisfies PoolEvent['type'])) return [];
  const event = decodeEvent(stored);
  if (event?.type !== 'TasksAssigned') return [];
  const { assignments, assignedAt } = event.data;
  const { position, metadata } = stored;
  return assignments.map((assignment) => ({
    subject: taskStream(metadata.tenant, assignment.taskId),
    change: changeOfAssignment(assignment, { assignedAt, position }),
  }));
};

/** What an event says about tasks. Each change is built once, for all its readers. */
export const taskConcerns = (stored: StoredEvent): Concern<TaskChange>[] => {
  const isOfExecution = isIn('execution', stored.stream);
  if (!isOfExecution && !isIn('task', stored.stream)) return assignmentConcerns(stored);
  const change = changeOfTask(stored);
  if (change === undefined) return [];
  return [{ subject: isOfExecution ? taskStream(stored.metadata.tenant, change.taskId) : stored.stream, change }];
};
