import { agentStream, isIn } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { Position, StoredEvent } from '../../eventstore/event-store.ts';
import { isAgentEvent, summaryOfAgentEvent } from '../../wording/agent-events.ts';
import type { Concern } from './topic.ts';

/** One event of an agent. */
export type AgentChange = {
  readonly position: Position;
  readonly type: string;
  readonly at: string;
  readonly agentId: string;
  readonly summary: string;
  readonly data: Json;
};

/** What an event says about agents. */
export const agentConcerns = (stored: StoredEvent): Concern<AgentChange>[] => {
  if (!isIn('agent', stored.stream)) return [];
  const event = decodeEvent(stored);
  if (event === undefined || !isAgentEvent(event)) return [];
  const { agentId } = event.data;
  const change: AgentChange = {
    position: stored.position,
    type: event.type,
    at: stored.metadata.at,
    agentId,
    summary: summaryOfAgentEvent(event),
    data: event.data as Json,
  };
  return [{ subject: agentStream(stored.metadata.tenant, agentId), change }];
};
