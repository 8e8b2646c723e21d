import type { AgentEvent } from '../../domain/agent/events.ts';
import { agentStream, isIn, taskStream } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import type { PoolEvent } from '../../domain/pool/events.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { Position, StoredEvent } from '../../eventstore/event-store.ts';
import { entryOfAssignment, entryOfEvent, type TimelineEntry } from '../graphql/tasks/timeline.ts';

export type AgentChange = {
  readonly position: Position;
  readonly type: string;
  readonly at: string;
  readonly agentId: string;
  readonly summary: string;
  readonly data: Json;
};

type Data<Type extends AgentEvent['type']> = Extract<AgentEvent, { type: Type }>['data'];

const because = (reason: string | undefined): string => (reason === undefined ? '' : `: ${reason}`);

const SUMMARIES: { readonly [Type in AgentEvent['type']]: (data: Data<Type>) => string } = {
  AgentRegistered: ({ pool, maxConcurrency }) => `registered in pool ${pool}, at most ${maxConcurrency} at once`,
  AgentReconfigured: () => 'profile changed',
  AgentHealthChanged: ({ from, to, reason }) => `${from} to ${to}: ${reason}`,
  AgentDrainStarted: ({ reason }) => `draining${because(reason)}`,
  AgentDeregistered: ({ reason }) => `deregistered${because(reason)}`,
};

/** Whom an event concerns: the stream of the subject, and what to tell about it. */
export type Concern<Change> = { readonly subject: string; readonly change: Change };

const isAgentEvent = (event: { readonly type: string }): event is AgentEvent => event.type in SUMMARIES;

/** What an event says about tasks. Each change is made once, however many read it. */
export const taskConcerns = (event: StoredEvent): Concern<TimelineEntry>[] => {
  if (isIn('task', event.stream)) {
    const change = entryOfEvent(event);
    return change ? [{ subject: event.stream, change }] : [];
  }
  if (isIn('execution', event.stream)) {
    const change = entryOfEvent(event);
    return change ? [{ subject: taskStream(event.metadata.tenant, change.taskId), change }] : [];
  }
  if (event.type !== ('TasksAssigned' satisfies PoolEvent['type'])) return [];
  const decoded = decodeEvent(event);
  if (decoded?.type !== 'TasksAssigned') return [];
  const { assignments, assignedAt } = decoded.data;
  return assignments.map((assignment) => ({
    subject: taskStream(event.metadata.tenant, assignment.taskId),
    change: entryOfAssignment({ ...assignment, assignedAt }, event.position),
  }));
};

/** What an event says about agents. */
export const agentConcerns = (event: StoredEvent): Concern<AgentChange>[] => {
  if (!isIn('agent', event.stream)) return [];
  const decoded = decodeEvent(event);
  if (decoded === undefined || !isAgentEvent(decoded)) return [];
  const { agentId } = decoded.data;
  const change: AgentChange = {
    position: event.position,
    type: decoded.type,
    at: event.metadata.at,
    agentId,
    summary: (SUMMARIES[decoded.type] as (data: AgentEvent['data']) => string)(decoded.data),
    data: decoded.data as Json,
  };
  return [{ subject: agentStream(event.metadata.tenant, agentId), change }];
};
