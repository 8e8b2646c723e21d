import type { WorkflowEvent } from '../../domain/workflow/events.ts';
import { instant } from '../instant.ts';
import type { Fold, Handled, Projector } from '../projector.ts';
import { type WorkflowVersionRow, workflowVersionsTable } from './table.ts';

const retired = (
  fold: Fold,
  { tenant, position, data }: Handled<Exclude<WorkflowEvent, { type: 'WorkflowPublished' }>>,
  status: WorkflowVersionRow['status'],
  at: string,
): void => {
  const { name, version, reason } = data;
  fold.change(
    workflowVersionsTable,
    { tenant, name, version },
    (row) => row && { ...row, status, retiredAt: instant(at), reason: reason ?? row.reason, updatedPosition: position },
  );
};

/** Every version of every workflow. */
export const workflowsProjector = {
  name: 'workflows',
  version: 1,
  tables: [workflowVersionsTable],
  on: {
    WorkflowPublished: ({ tenant, position, data, stored }, fold) => {
      const { name, version, digest, definition } = data;
      fold.put(workflowVersionsTable, {
        tenant,
        name,
        version,
        digest,
        status: 'published',
        pattern: definition.pattern,
        description: definition.description ?? null,
        tags: definition.tags,
        tasks: definition.tasks.length,
        definition,
        publishedAt: instant(data.publishedAt),
        retiredAt: null,
        reason: null,
        actor: stored.metadata.actor,
        position,
        updatedPosition: position,
      });
    },
    WorkflowDeprecated: (event, fold) => retired(fold, event, 'deprecated', event.data.deprecatedAt),
    WorkflowArchived: (event, fold) => retired(fold, event, 'archived', event.data.archivedAt),
  },
} as const satisfies Projector;
