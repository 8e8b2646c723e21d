import { z } from 'zod';
import type { EventOf } from '../event-definition.ts';
import { WorkflowName } from '../ids.ts';
import { Instant } from '../instant.ts';
import type { WorkflowDefinition } from './definition.ts';

const Version = z.string().min(1).max(100);

/** Versions of one workflow's definition; what was published is never changed. */
export const workflowEvents = {
  WorkflowPublished: {
    schemaVersion: 1,
    schema: z.strictObject({
      name: WorkflowName,
      version: Version,
      /** SHA-256 of the definition's canonical form, in hex. */
      digest: z.string().regex(/^[0-9a-f]{64}$/),
      /** Checked by the command; its schema is `WorkflowDefinition`. */
      definition: z.custom<WorkflowDefinition>((value) => value !== null && typeof value === 'object'),
      publishedAt: Instant,
    }),
  },
  /** No new executions by default; those that run go on. */
  WorkflowDeprecated: {
    schemaVersion: 1,
    schema: z.strictObject({
      name: WorkflowName,
      version: Version,
      reason: z.string().max(1_000).optional(),
      deprecatedAt: Instant,
    }),
  },
  /** No new executions at all; those that run go on. */
  WorkflowArchived: {
    schemaVersion: 1,
    schema: z.strictObject({
      name: WorkflowName,
      version: Version,
      reason: z.string().max(1_000).optional(),
      archivedAt: Instant,
    }),
  },
} as const;

export type WorkflowEvent = EventOf<typeof workflowEvents>;
