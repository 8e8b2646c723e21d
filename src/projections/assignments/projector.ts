import { instant } from '../instant.ts';
import type { Projector } from '../projector.ts';
import { assignmentsTable } from './table.ts';

export const assignmentsProjector = {
  name: 'assignments',
  version: 1,
  tables: [assignmentsTable],
  on: {
    TasksAssigned: ({ tenant, position, data }, fold) => {
      const assignedAt = instant(data.assignedAt);
      for (const { taskId, attempt, agentId, expiresAt, reason } of data.assignments)
        fold.put(assignmentsTable, {
          tenant,
          taskId,
          attempt,
          position,
          pool: data.pool,
          agentId,
          assignedAt,
          expiresAt: instant(expiresAt),
          waitedMs: reason.waitedMs,
          strategy: reason.strategy,
          reason,
        });
    },
  },
} as const satisfies Projector;
