import { agentsProjector } from './agents/projector.ts';
import { assignmentsProjector } from './assignments/projector.ts';
import { auditLogProjector } from './audit-log/projector.ts';
import { executionsProjector } from './executions/projector.ts';
import type { Projector } from './projector.ts';
import { tasksProjector } from './tasks/projector.ts';
import { workflowsProjector } from './workflows/projector.ts';

/** Every projector. `tasks` also writes task_payloads, task_attempts, dead_letters and task_stats; `executions` the debts of compensations. */
export const projectors: readonly Projector[] = [
  agentsProjector,
  tasksProjector,
  assignmentsProjector,
  auditLogProjector,
  workflowsProjector,
  executionsProjector,
];

export type ProjectionName = 'agents' | 'tasks' | 'assignments' | 'audit_log' | 'workflows' | 'executions';
