import { z } from 'zod';
import { AgentId, DEFAULT_POOL, PoolId } from '../ids.ts';
import { recordOf, text } from '../json.ts';
import { Money } from '../money.ts';
import { CAPABILITY_FACTS, CapabilityName, DESCRIPTOR_INPUT, SemverVersion } from './descriptor.ts';
import { type AgentProfile, Delivery, type Health } from './events.ts';

const CapabilityInput = z.strictObject({
  name: CapabilityName,
  version: SemverVersion.default('1.0.0'),
  ...CAPABILITY_FACTS,
});

/** Between the heartbeats of an agent that promises some and names no interval (requirements 1.3). */
export const HEARTBEAT_MS = 30_000;

const MAX_LABELS = 64;
const Labels = recordOf(text({ min: 1, max: 63 }), text({ max: 255 }), { max: MAX_LABELS, what: 'labels' });

/** What a caller may set when registering an agent; the command fetches the transport's card. */
export const RegisterAgentInput = z.strictObject({
  agentId: AgentId,
  pool: PoolId.default(DEFAULT_POOL),
  name: z
    .string()
    .trim()
    .pipe(text({ min: 1, max: 200 }))
    .optional(),
  description: text({ max: 2_000 }).optional(),
  /** Absent: the skills of the agent's card, version 1.0.0. */
  capabilities: z.array(CapabilityInput).min(1).max(200).optional(),
  /** Address of the agent card, or of the server that has it at /.well-known/agent-card.json. Absent for a local agent. */
  cardUrl: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .optional(),
  maxConcurrency: z.int().min(1).max(10_000).default(10),
  delivery: Delivery.default('at_least_once'),
  heartbeatIntervalMs: z.int().min(100).max(3_600_000).optional(),
  /** It sends heartbeats: every `HEARTBEAT_MS` where it names no interval. */
  heartbeats: z.boolean().optional(),
  warmUpMs: z.int().min(1).max(3_600_000).optional(),
  costPerCall: Money.optional(),
  labels: Labels.default({}),
  ...DESCRIPTOR_INPUT,
  /** Replaces the profile of an agent that is registered already; without it, a different profile is refused. */
  replace: z.boolean().default(false),
});
export type RegisterAgentInput = z.output<typeof RegisterAgentInput>;

export type RegisterAgent = {
  readonly type: 'RegisterAgent';
  readonly agentId: string;
  readonly profile: AgentProfile;
  readonly replace: boolean;
  readonly now: string;
};

/** Fields that may change while the agent is registered; absent ones stay. */
export const UpdateAgentInput = RegisterAgentInput.pick({
  name: true,
  description: true,
  capabilities: true,
  costPerCall: true,
  version: true,
  serviceTypes: true,
  tags: true,
  location: true,
  weight: true,
  costFactor: true,
  standby: true,
  sla: true,
  constraints: true,
})
  .extend({
    maxConcurrency: z.int().min(1).max(10_000).optional(),
    heartbeatIntervalMs: z.int().min(100).max(3_600_000).optional(),
    labels: Labels.optional(),
  })
  .strict();
export type UpdateAgentInput = z.output<typeof UpdateAgentInput>;

export type UpdateAgent = { readonly type: 'UpdateAgent'; readonly changes: UpdateAgentInput; readonly now: string };
export type ChangeAgentHealth = {
  readonly type: 'ChangeAgentHealth';
  readonly to: Health;
  readonly reason: string;
  /** It is silent: nobody waits any longer for the calls that it has in work. */
  readonly callsLost?: true;
  readonly now: string;
};
/** How long a draining agent may take to finish what it holds, unless the command names another limit. */
const DRAIN_LIMIT_MS = 300_000;

export const DrainAgentInput = z.strictObject({
  reason: text({ max: 500 }).optional(),
  limitMs: z.int().min(1).max(86_400_000).default(DRAIN_LIMIT_MS),
});

type Because = { readonly reason?: string | undefined; readonly now: string };

export type DrainAgent = Because & { readonly type: 'DrainAgent'; readonly limitMs: number };
export type UndrainAgent = Because & { readonly type: 'UndrainAgent' };
export type StartMaintenance = Because & { readonly type: 'StartMaintenance' };
export type EndMaintenance = Because & { readonly type: 'EndMaintenance' };
export type EndWarmUp = { readonly type: 'EndWarmUp'; readonly by: 'agent' | 'limit'; readonly now: string };
export type DeregisterAgent = {
  readonly type: 'DeregisterAgent';
  readonly reason?: string | undefined;
  /** No process is left that could answer the calls it has in work. */
  readonly callsLost?: true;
  readonly now: string;
};

export type AgentCommand =
  | RegisterAgent
  | UpdateAgent
  | ChangeAgentHealth
  | DrainAgent
  | UndrainAgent
  | StartMaintenance
  | EndMaintenance
  | EndWarmUp
  | DeregisterAgent;
