import { type AgentEvent, agentEvents } from './agent/events.ts';
import { type ClusterEvent, clusterEvents } from './cluster/events.ts';
import type { EventDefinitions } from './event-definition.ts';
import { type PoolEvent, poolEvents } from './pool/events.ts';
import { type TaskEvent, taskEvents } from './task/events.ts';

export type DomainEvent = TaskEvent | AgentEvent | PoolEvent | ClusterEvent;
export type DomainEventType = DomainEvent['type'];

/** Every event type that this build knows. */
export const domainEvents = {
  ...taskEvents,
  ...agentEvents,
  ...poolEvents,
  ...clusterEvents,
} as const satisfies EventDefinitions;
