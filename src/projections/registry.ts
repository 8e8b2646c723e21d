import { agentsProjector } from './agents/projector.ts';
import { assignmentsProjector } from './assignments/projector.ts';
import { auditLogProjector } from './audit-log/projector.ts';
import type { Projector } from './projector.ts';
import { tasksProjector } from './tasks/projector.ts';

/** Every projector. `tasks` also writes task_payloads, task_attempts, dead_letters and task_stats. */
export const projectors: readonly Projector[] = [
  agentsProjector,
  tasksProjector,
  assignmentsProjector,
  auditLogProjector,
];

export type ProjectionName = 'agents' | 'tasks' | 'assignments' | 'audit_log';
