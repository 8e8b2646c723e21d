import semver from 'semver';
import { z } from 'zod';
import { text } from '../json.ts';

/** What an agent is for, in the words of requirements 1.3. */
export const ServiceType = z.enum([
  'computation',
  'validation',
  'integration',
  'reporting',
  'monitoring',
  'coordination',
  'storage',
  'analysis',
]);
export type ServiceType = z.output<typeof ServiceType>;

const Version = z.string().max(100);

/** As a caller writes it; kept without build metadata and without a leading `v`. */
export const SemverVersion = Version.refine(
  (version) => semver.valid(version) !== null,
  'must be a semver version such as 1.2.0',
).transform((version) => semver.valid(version) ?? version);

export const CapabilityName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, 'must match ^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$');

const MAX_TAGS = 64;
const MAX_SPECIALISATIONS = 32;

const Tag = text({ min: 1, max: 64 });

/** A list of different texts. */
const setOf = <Item extends z.ZodType<string, string>>(item: Item, max: number) =>
  z
    .array(item)
    .max(max)
    .refine((items) => new Set(items).size === items.length, 'must not repeat an element');

/** Where an agent runs; a zone is part of a region. */
export const Location = z.strictObject({
  region: text({ min: 1, max: 64 }),
  zone: text({ min: 1, max: 64 }).optional(),
});
export type Location = z.output<typeof Location>;

const Fraction = z.number().min(0).max(1);

/** What the agent undertakes, for comparison with what was measured. */
export const Sla = z.strictObject({
  availability: Fraction.optional(),
  p95Ms: z.int().min(1).max(86_400_000).optional(),
  errorRate: Fraction.optional(),
});
export type Sla = z.output<typeof Sla>;

/** What the agent asks of its tasks. Declared; it does not keep tasks from the agent. */
export const Constraints = z.strictObject({
  maxInputBytes: z.int().min(1).max(262_144).optional(),
  maxTimeoutMs: z.int().min(1).max(86_400_000).optional(),
});
export type Constraints = z.output<typeof Constraints>;

/** How well an agent can do a capability, beyond its version. */
export const CAPABILITY_FACTS = {
  /** 0 to 1; absent counts as 1. */
  confidence: Fraction.optional(),
  /** Kinds of this work that it is best at, such as the payload's `task_type`. */
  specialisations: setOf(Tag, MAX_SPECIALISATIONS).optional(),
} as const;

/** What an agent may say of itself beside what is needed to call it. All of it may be absent. */
export const DESCRIPTOR = {
  /** Of the agent as a whole. Absent: that of its card, if it is semver. */
  version: Version.optional(),
  serviceTypes: setOf(ServiceType, ServiceType.options.length).optional(),
  tags: setOf(Tag, MAX_TAGS).optional(),
  location: Location.optional(),
  /** Its share among agents that are chosen by weight; absent counts as 1. */
  weight: z.number().min(0.01).max(1_000).optional(),
  /** What an hour of its work costs; no unit, only compared. Absent counts as 0 (requirements 1.2). */
  costFactor: z.number().min(0).max(1_000_000).optional(),
  /** In reserve: it gets work only while no other agent that can do it is free. */
  standby: z.boolean().optional(),
  sla: Sla.optional(),
  constraints: Constraints.optional(),
} as const;
/** The same as a caller gives it. */
export const DESCRIPTOR_INPUT = { ...DESCRIPTOR, version: SemverVersion.optional() } as const;

export const DESCRIPTOR_FIELDS = Object.keys(DESCRIPTOR) as readonly (keyof typeof DESCRIPTOR)[];

type Versioned = {
  readonly version?: string | undefined;
  readonly transport: { readonly kind: 'a2a'; readonly card: unknown } | { readonly kind: 'local' };
};

/** The version that an agent states, in its profile or on its card; undefined when it states none that is semver. */
export const agentVersionOf = ({ version, transport }: Versioned): string | undefined => {
  if (version !== undefined) return version;
  if (transport.kind !== 'a2a' || transport.card === null || typeof transport.card !== 'object') return undefined;
  const stated = (transport.card as { readonly version?: unknown }).version;
  return typeof stated === 'string' && stated.length <= 100 ? (semver.valid(stated) ?? undefined) : undefined;
};
