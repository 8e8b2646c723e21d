import type { WorkflowVersion } from '../../domain/workflow/decider.ts';
import type { WorkflowDefinition } from '../../domain/workflow/definition.ts';
import {
  bigint,
  defineTable,
  integer,
  json,
  nullable,
  oneOf,
  type RowOf,
  tenant,
  text,
  texts,
  timestamptz,
} from '../define-table.ts';

export const WORKFLOW_STATUSES = [
  'published',
  'deprecated',
  'archived',
] as const satisfies readonly WorkflowVersion['status'][];
export type WorkflowStatus = (typeof WORKFLOW_STATUSES)[number];

/** The versions of workflows. */
export const workflowVersionsTable = defineTable({
  name: 'workflow_versions',
  columns: {
    tenant: tenant(),
    name: text(),
    version: text(),
    /** SHA-256 of the definition's canonical form, in hex. */
    digest: text(),
    status: oneOf(WORKFLOW_STATUSES),
    pattern: text(),
    description: nullable(text()),
    tags: texts(),
    /** How many tasks it has. */
    tasks: integer(),
    definition: json<WorkflowDefinition>(),
    publishedAt: timestamptz(),
    /** When it was deprecated or archived. */
    retiredAt: nullable(timestamptz()),
    /** Why it was retired. */
    reason: nullable(text()),
    /** Who published it. */
    actor: text(),
    /** Of its publication. */
    position: bigint(),
    updatedPosition: bigint(),
  },
  key: ['tenant', 'name', 'version'],
  indexes: { newest: { on: ['tenant', 'position DESC'] } },
});

export type WorkflowVersionRow = RowOf<typeof workflowVersionsTable>;
