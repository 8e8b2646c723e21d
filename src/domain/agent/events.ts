import { z } from 'zod';
import type { EventOf } from '../event-definition.ts';
import { AgentId, PoolId } from '../ids.ts';
import { Instant } from '../instant.ts';
import { JsonPayload } from '../json.ts';
import { Money } from '../money.ts';
import { CAPABILITY_FACTS, CapabilityName, DESCRIPTOR } from './descriptor.ts';

export const Capability = z.strictObject({ name: CapabilityName, version: z.string(), ...CAPABILITY_FACTS });
export type Capability = z.output<typeof Capability>;

export const Transport = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('a2a'),
    cardUrl: z.url({ protocol: /^https?$/ }),
    /** The agent card as it was read at registration. Data of a third party. */
    card: JsonPayload,
  }),
  z.strictObject({
    kind: z.literal('local'),
    /** A function that processes offer, `maxConcurrency` being the places of all of them; it is deregistered when none does any more. */
    offered: z.literal(true).optional(),
  }),
]);
export type Transport = z.output<typeof Transport>;

/**
 * What the agent promises about repeated calls (reliability 6.1): `effectively_once` dedupes on effectKey, `at_least_once` may repeat
 * effects, `at_most_once` must never be called twice for one attempt, so that an unknown outcome goes to a person.
 */
export const Delivery = z.enum(['effectively_once', 'at_least_once', 'at_most_once']);
export type Delivery = z.output<typeof Delivery>;

export const Health = z.enum(['healthy', 'degraded', 'unhealthy']);
export type Health = z.output<typeof Health>;

export const AgentProfile = z.strictObject({
  pool: PoolId,
  name: z.string().min(1).max(200),
  description: z.string().max(2_000).optional(),
  capabilities: z.array(Capability).min(1).max(200),
  transport: Transport,
  /** Attempts it may hold at once. */
  maxConcurrency: z.int().min(1).max(10_000),
  delivery: Delivery,
  /** Absent: the agent sends no heartbeats and counts as alive. */
  heartbeatIntervalMs: z.int().min(100).max(3_600_000).optional(),
  /** After a registration it gets no work until it reports that it is ready, at most for this long. Absent: it is ready at once. */
  warmUpMs: z.int().min(1).max(3_600_000).optional(),
  /** Charged for each closed attempt. */
  costPerCall: Money.optional(),
  labels: z.record(z.string().max(63), z.string().max(255)),
  ...DESCRIPTOR,
});
export type AgentProfile = z.output<typeof AgentProfile>;

export const agentEvents = {
  AgentRegistered: {
    schemaVersion: 1,
    schema: AgentProfile.extend({
      agentId: AgentId,
      /** A person keeps it from work, since before this registration. */
      maintenance: z.literal(true).optional(),
      registeredAt: Instant,
    }),
  },
  /** The whole profile as it holds from now on. */
  AgentReconfigured: {
    schemaVersion: 1,
    schema: AgentProfile.extend({ agentId: AgentId, reconfiguredAt: Instant }),
  },
  AgentHealthChanged: {
    schemaVersion: 1,
    schema: z.strictObject({
      agentId: AgentId,
      pool: PoolId,
      from: Health,
      to: Health,
      reason: z.string().max(500),
      /** It is silent: the attempts that it holds are given up. */
      callsLost: z.literal(true).optional(),
      changedAt: Instant,
    }),
  },
  /** From here on it gets work. */
  AgentWarmUpEnded: {
    schemaVersion: 1,
    schema: z.strictObject({
      agentId: AgentId,
      pool: PoolId,
      /** Whether it said so itself, or the time was up that it had named. */
      by: z.enum(['agent', 'limit']),
      endedAt: Instant,
    }),
  },
  /** A person keeps it from new work until a person ends that, through restarts and registrations; the attempts that it holds may finish. */
  AgentMaintenanceStarted: {
    schemaVersion: 1,
    schema: z.strictObject({
      agentId: AgentId,
      pool: PoolId,
      reason: z.string().max(500).optional(),
      startedAt: Instant,
    }),
  },
  AgentMaintenanceEnded: {
    schemaVersion: 1,
    schema: z.strictObject({
      agentId: AgentId,
      pool: PoolId,
      reason: z.string().max(500).optional(),
      endedAt: Instant,
    }),
  },
  /** No new work; the attempts that it holds may finish. */
  AgentDrainStarted: {
    schemaVersion: 1,
    schema: z.strictObject({
      agentId: AgentId,
      pool: PoolId,
      reason: z.string().max(500).optional(),
      /** What it holds then is given up. Absent: it may finish whenever it does. */
      limitMs: z.int().min(1).max(86_400_000).optional(),
      startedAt: Instant,
    }),
  },
  /** It takes new work again. */
  AgentDrainEnded: {
    schemaVersion: 1,
    schema: z.strictObject({
      agentId: AgentId,
      pool: PoolId,
      reason: z.string().max(500).optional(),
      endedAt: Instant,
    }),
  },
  AgentDeregistered: {
    schemaVersion: 1,
    schema: z.strictObject({
      agentId: AgentId,
      pool: PoolId,
      reason: z.string().max(500).optional(),
      /** The calls that it had in work ended with it; otherwise they may still be answered. */
      callsLost: z.literal(true).optional(),
      deregisteredAt: Instant,
    }),
  },
} as const;

export type AgentEvent = EventOf<typeof agentEvents>;

export const isAgentEvent = (event: { readonly type: string }): event is AgentEvent =>
  Object.hasOwn(agentEvents, event.type);
