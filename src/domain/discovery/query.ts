import { z } from 'zod';
import { CapabilityName, Location, ServiceType } from '../agent/descriptor.ts';
import { PoolId } from '../ids.ts';
import { text } from '../json.ts';
import { VersionRange } from '../task/commands.ts';

/** Each asks for more than the one before. */
export const READINESS = ['discovered', 'reachable', 'able_now'] as const;
export type Readiness = (typeof READINESS)[number];

export const MAX_DISCOVERED = 100;
const MAX_REQUIRED = 20;
const MAX_ALTERNATIVES = 64;

/** What a caller asks for. Lists that are absent or empty ask for nothing. */
export const DiscoverAgentsInput = z.strictObject({
  pool: PoolId.optional(),
  /** All of them. */
  capabilities: z
    .array(z.strictObject({ name: CapabilityName, versionRange: VersionRange.optional() }))
    .max(MAX_REQUIRED)
    .default([]),
  /** Any of them. */
  serviceTypes: z.array(ServiceType).max(ServiceType.options.length).default([]),
  /** Any of them. */
  tags: z
    .array(text({ min: 1, max: 64 }))
    .max(MAX_ALTERNATIVES)
    .default([]),
  /** Range of the agent's own version. An agent that states none is left out. */
  agentVersion: VersionRange.optional(),
  /** Agents there come first; without a zone any in the region. */
  preferredLocation: Location.optional(),
  /** Requirements 1.3. */
  minHealth: z.number().min(0).max(1).default(0.5),
  readiness: z.enum(READINESS).default('discovered'),
  limit: z.int().min(1).max(MAX_DISCOVERED).default(10),
});
export type DiscoverAgentsInput = z.output<typeof DiscoverAgentsInput>;
