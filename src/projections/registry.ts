import { agentsProjector } from './agents/projector.ts';
import { assignmentsProjector } from './assignments/projector.ts';
import { auditLogProjector } from './audit-log/projector.ts';
import { breakersProjector } from './breakers/projector.ts';
import { executionsProjector } from './executions/projector.ts';
import type { Projector } from './projector.ts';
import { tasksProjector } from './tasks/projector.ts';
import { workflowsProjector } from './workflows/projector.ts';

const all = [
  agentsProjector,
  tasksProjector,
  assignmentsProjector,
  auditLogProjector,
  workflowsProjector,
  executionsProjector,
  breakersProjector,
] as const satisfies readonly Projector[];

export type ProjectionName = (typeof all)[number]['name'];

/** The tables of all read models. */
export type ReadModelTable = (typeof all)[number]['tables'][number];

/** Every projector. Whatever else knows the read models (names, tables, checkpoints, queries) takes them from here. */
export const projectors: readonly Projector<ProjectionName>[] = all;

export const PROJECTION_NAMES: readonly ProjectionName[] = all.map(({ name }) => name);
