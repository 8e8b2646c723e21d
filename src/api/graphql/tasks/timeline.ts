import type { DomainEvent } from '../../../domain/events.ts';
import type { Json } from '../../../domain/json.ts';
import type { TaskEvent } from '../../../domain/task/events.ts';
import { decodeEvent } from '../../../eventstore/codec.ts';
import type { Position, StoredEvent } from '../../../eventstore/event-store.ts';
import type { AssignmentRow } from '../../../projections/assignments/table.ts';
import type { Builder } from '../kit/builder.ts';

/** One thing that happened to a task. Assignments stand in the pool's ledger and are told here as events of the task. */
export type TimelineEntry = {
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

type Data<Type extends TaskEvent['type']> = Extract<TaskEvent, { type: Type }>['data'];

/** One sentence per event, for people. */
const SUMMARIES: { readonly [Type in TaskEvent['type']]: (data: Data<Type>) => string } = {
  TaskSubmitted: ({ capability, pool, priority }) =>
    `submitted for ${capability} to pool ${pool}, priority ${priority}`,
  TaskAttemptStarted: ({ attempt, agentId }) => `attempt ${attempt} started on ${agentId}`,
  TaskProgressReported: ({ percent, message, checkpoint }) =>
    [
      percent === undefined ? 'progress' : `${percent} %`,
      message,
      checkpoint === undefined ? undefined : 'checkpoint taken',
    ]
      .filter((part) => part !== undefined)
      .join(', '),
  TaskAttemptFailed: ({ attempt, error, retryAt }) =>
    `attempt ${attempt} failed: ${error.code}, ${retryAt === undefined ? 'no further attempt' : `next attempt at ${retryAt}`}`,
  TaskOutcomeUnknown: ({ attempt, agentId, error }) =>
    `nobody knows whether attempt ${attempt} on ${agentId} took effect: ${error.code}`,
  TaskCompleted: ({ attempt, agentId, durationMs }) =>
    `completed by ${agentId} in attempt ${attempt} after ${Math.round(durationMs)} ms`,
  TaskCancelled: ({ reason }) => (reason === undefined ? 'cancelled' : `cancelled: ${reason}`),
  TaskFailed: ({ reason, attempts, error }) =>
    `failed for good after ${attempts} attempts, ${reason.replaceAll('_', ' ')}: ${error.code}`,
  TaskDeadLettered: ({ reason, attempts, error }) =>
    `given up after ${attempts} attempts, ${reason.replaceAll('_', ' ')}: ${error.code}`,
  TaskRedriven: ({ nextAttempt }) => `sent back to work as attempt ${nextAttempt}`,
};

export const summaryOf = (event: TaskEvent): string =>
  (SUMMARIES[event.type] as (data: TaskEvent['data']) => string)(event.data);

const isTaskEvent = (event: DomainEvent): event is TaskEvent => event.type in SUMMARIES;

/** Undefined for an event that is no task's, or that this build does not know. */
export const entryOfEvent = (stored: StoredEvent): TimelineEntry | undefined => {
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
    summary: summaryOf(event),
    actor: stored.metadata.actor,
    data: data as Json,
  };
};

type AssignmentFacts = Pick<AssignmentRow, 'taskId' | 'attempt' | 'agentId' | 'reason' | 'assignedAt' | 'expiresAt'>;

export const entryOfAssignment = (
  { taskId, attempt, agentId, reason, assignedAt, expiresAt }: AssignmentFacts,
  position: Position,
): TimelineEntry => ({
  position,
  type: 'TaskAssigned',
  at: assignedAt,
  taskId,
  attempt,
  agentId,
  summary: `attempt ${attempt} assigned to ${agentId} by ${reason.strategy} among ${reason.eligible}, after ${Math.round(reason.waitedMs)} ms`,
  actor: null,
  data: { taskId, attempt, agentId, expiresAt, reason: reason as unknown as Json },
});

/** Both sources in the order of the log. */
export const timelineOf = (events: readonly StoredEvent[], assignments: readonly AssignmentRow[]): TimelineEntry[] =>
  [
    ...events.flatMap((event) => entryOfEvent(event) ?? []),
    ...assignments.map((assignment) => entryOfAssignment(assignment, assignment.position)),
  ].sort((a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : 0));

export const addTimelineType = (builder: Builder) =>
  builder.objectRef<TimelineEntry>('TimelineEntry').implement({
    description: 'One thing that happened to a task.',
    fields: (t) => ({
      position: t.expose('position', { type: 'Position' }),
      type: t.exposeString('type', { description: 'Event type, or `TaskAssigned` for a decision of the pool.' }),
      at: t.expose('at', { type: 'DateTime' }),
      taskId: t.exposeID('taskId'),
      attempt: t.exposeInt('attempt', { nullable: true }),
      agentId: t.exposeID('agentId', { nullable: true }),
      summary: t.exposeString('summary'),
      actor: t.exposeString('actor', { nullable: true }),
      data: t.expose('data', { type: 'JSON', description: 'The event as recorded.' }),
    }),
  });

export type TimelineType = ReturnType<typeof addTimelineType>;
