import { type AdmissionEvent, admissionEvents } from './admission/events.ts';
import { type AgentEvent, agentEvents } from './agent/events.ts';
import { type ClusterEvent, clusterEvents } from './cluster/events.ts';
import type { EventDefinitions } from './event-definition.ts';
import { type ExecutionEvent, executionEvents } from './execution/events.ts';
import { type PoolEvent, poolEvents } from './pool/events.ts';
import { type RuleEvent, ruleEvents } from './rules/events.ts';
import { type TaskEvent, taskEvents } from './task/events.ts';
import { type WorkflowEvent, workflowEvents } from './workflow/events.ts';

export type DomainEvent =
  | TaskEvent
  | AgentEvent
  | PoolEvent
  | AdmissionEvent
  | RuleEvent
  | ClusterEvent
  | WorkflowEvent
  | ExecutionEvent;
export type DomainEventType = DomainEvent['type'];

/** Every event type that this build knows. */
export const domainEvents = {
  ...taskEvents,
  ...agentEvents,
  ...poolEvents,
  ...admissionEvents,
  ...ruleEvents,
  ...clusterEvents,
  ...workflowEvents,
  ...executionEvents,
} as const satisfies EventDefinitions;
