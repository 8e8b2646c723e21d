import { z } from 'zod';
import type { EventOf } from '../event-definition.ts';
import { AgentId, PoolId, TaskId } from '../ids.ts';
import { Instant } from '../instant.ts';
import { BREAKER_CAUSES, BREAKER_STATES } from '../resilience/circuit.ts';
import { RuleRef } from '../rules/rule-ref.ts';

/** Why an agent was left out of a decision, and how many were. */
export const Exclusion = z.enum([
  'capability',
  'version',
  'unhealthy',
  'draining',
  'maintenance',
  'warming',
  'paused',
  'breaker',
  'no_slot',
  'failed_before',
  'degraded',
  'standby',
]);
export type Exclusion = z.output<typeof Exclusion>;

/** Everything the choice rested on, so that it can be explained and recomputed (requirements 2.1). Top 5 candidates, counts of the rest. */
export const RoutingReason = z.strictObject({
  strategy: z.string(),
  strategyVersion: z.int().min(1),
  /** Agents that could have taken it. */
  eligible: z.int().min(1),
  candidates: z.array(
    z.strictObject({
      agentId: AgentId,
      score: z.number(),
      open: z.int().min(0),
      /** What the score is made of, by the formula of the policy. */
      terms: z.record(z.string(), z.number()).optional(),
    }),
  ),
  excluded: z.partialRecord(Exclusion, z.int().min(1)),
  /** Where the choice was drawn: the same seed draws the same. */
  seed: z.int().min(0).optional(),
  /** The agent that the task's key belongs to, which could not take it then. */
  overflow: AgentId.optional(),
  /** The rule by which the task was routed, as it was when the task was submitted. */
  rule: RuleRef.optional(),
  /** How long the attempt was ready before this decision. */
  waitedMs: z.number().min(0),
});
export type RoutingReason = z.output<typeof RoutingReason>;

export const Assignment = z.strictObject({
  taskId: TaskId,
  attempt: z.int().min(1),
  agentId: AgentId,
  /** The attempt is given up when it has not closed by then. */
  expiresAt: Instant,
  reason: RoutingReason,
});
export type Assignment = z.output<typeof Assignment>;

/** Log position of the last event that a decision knew of, beside the earlier decisions of the same ledger. */
const ReadTo = z.string().regex(/^\d{1,20}$/);

/** The breaker of an agent for a capability is in another state from here on. */
export const BreakerChange = z.strictObject({
  agentId: AgentId,
  capability: z.string(),
  to: z.enum(BREAKER_STATES),
  cause: z.enum(BREAKER_CAUSES),
  /** Failed calls that led to it, and of how many. */
  failures: z.int().min(0),
  calls: z.int().min(0),
});
export type BreakerChange = z.output<typeof BreakerChange>;

/** The load that an agent reports is of another class from here on: 0 to 1, in steps of a tenth. */
export const LoadChange = z.strictObject({ agentId: AgentId, load: z.number().min(0).max(1) });
export type LoadChange = z.output<typeof LoadChange>;

export const poolEvents = {
  /** One writer took over the ledger. Its append fences every earlier writer, whose expected revision no longer holds. */
  PoolWriterElected: {
    schemaVersion: 1,
    schema: z.strictObject({ pool: PoolId, writerId: z.string().min(1).max(200), electedAt: Instant }),
  },
  /** One tick's decisions. */
  TasksAssigned: {
    schemaVersion: 1,
    schema: z.strictObject({
      pool: PoolId,
      assignments: z.array(Assignment).min(1),
      readTo: ReadTo.optional(),
      /** How many attempts of a kind could be called at once, where that was limited: known by the dispatchers and not in the log. */
      places: z.strictObject({ a2a: z.int().min(0).optional(), local: z.int().min(0).optional() }).optional(),
      assignedAt: Instant,
    }),
  },
  /** One tick's changes of breakers. What they rest on are the failed and completed attempts up to `readTo`, and the time. */
  BreakersChanged: {
    schemaVersion: 1,
    schema: z.strictObject({
      pool: PoolId,
      changes: z.array(BreakerChange).min(1),
      readTo: ReadTo,
      changedAt: Instant,
    }),
  },
  /** What heartbeats said when the next decisions were made, of agents whose load has changed since it was last recorded. */
  AgentLoadsChanged: {
    schemaVersion: 1,
    schema: z.strictObject({
      pool: PoolId,
      changes: z.array(LoadChange).min(1),
      readTo: ReadTo,
      changedAt: Instant,
    }),
  },
} as const;

export type PoolEvent = EventOf<typeof poolEvents>;
