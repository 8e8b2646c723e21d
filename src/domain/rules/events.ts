import { z } from 'zod';
import type { EventOf } from '../event-definition.ts';
import { Instant } from '../instant.ts';
import { ROUTING_HINTS } from '../task/routing-hints.ts';
import { RuleName } from './rule-ref.ts';

const Reason = z.string().max(1_000).optional();
const Version = z.int().min(1);
const route = { strategy: z.string().optional(), targets: ROUTING_HINTS.targets, versionRange: z.string().optional() };

/** What people decide about the routing of tasks, in one stream per tenant (docs/adr/0039). */
export const ruleEvents = {
  /** Tasks that are submitted from here on are routed by this version; those that were are not. */
  RoutingRuleSet: {
    schemaVersion: 1,
    schema: z.strictObject({
      name: RuleName,
      /** Counts the versions of that name, also over its removal. */
      version: Version,
      priority: z.int(),
      when: z.string(),
      ...route,
      variants: z.array(z.strictObject({ name: RuleName, percent: z.number(), ...route })).optional(),
      splitBy: z.string().optional(),
      enabled: z.boolean(),
      setAt: Instant,
    }),
  },
  RoutingRuleEnabled: {
    schemaVersion: 1,
    schema: z.strictObject({ name: RuleName, version: Version, reason: Reason, enabledAt: Instant }),
  },
  RoutingRuleDisabled: {
    schemaVersion: 1,
    schema: z.strictObject({ name: RuleName, version: Version, reason: Reason, disabledAt: Instant }),
  },
  RoutingRuleRemoved: {
    schemaVersion: 1,
    schema: z.strictObject({ name: RuleName, version: Version, reason: Reason, removedAt: Instant }),
  },
} as const;

export type RuleEvent = EventOf<typeof ruleEvents>;
