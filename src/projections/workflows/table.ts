import type { WorkflowVersion } from '../../domain/workflow/decider.ts';
import type { WorkflowDefinition } from '../../domain/workflow/definition.ts';
import { defineTable } from '../projector.ts';

export const WORKFLOW_STATUSES = [
  'published',
  'deprecated',
  'archived',
] as const satisfies readonly WorkflowVersion['status'][];
export type WorkflowStatus = (typeof WORKFLOW_STATUSES)[number];

/** A version of a workflow. */
export type WorkflowVersionRow = {
  tenant: string;
  name: string;
  version: string;
  /** SHA-256 of the definition's canonical form, in hex. */
  digest: string;
  status: WorkflowStatus;
  pattern: string;
  description: string | null;
  tags: readonly string[];
  /** How many it has. */
  tasks: number;
  definition: WorkflowDefinition;
  publishedAt: string;
  /** Deprecated or archived. */
  retiredAt: string | null;
  /** Why it was retired. */
  reason: string | null;
  /** Who published it. */
  actor: string;
  /** Of its publication. */
  position: bigint;
  updatedPosition: bigint;
};

export const workflowVersionsTable = defineTable<WorkflowVersionRow>()({
  name: 'workflow_versions',
  key: ['tenant', 'name', 'version'],
  columns: {
    tenant: 'text',
    name: 'text',
    version: 'text',
    digest: 'text',
    status: 'text',
    pattern: 'text',
    description: 'text',
    tags: 'text[]',
    tasks: 'integer',
    definition: 'jsonb',
    publishedAt: 'timestamptz',
    retiredAt: 'timestamptz',
    reason: 'text',
    actor: 'text',
    position: 'bigint',
    updatedPosition: 'bigint',
  },
});
