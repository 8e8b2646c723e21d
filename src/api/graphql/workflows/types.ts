import { newestVersion } from '../../../commands/workflow/workflow-version.ts';
import { type Workflow as Compiled, workflowOf } from '../../../domain/workflow/compile.ts';
import { PATTERNS } from '../../../domain/workflow/definition.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { WORKFLOW_STATUSES, type WorkflowVersionRow } from '../../../projections/workflows/table.ts';
import type { Builder } from '../kit/builder.ts';
import type { ApiContext } from '../kit/context.ts';
import { enumValues } from '../kit/enums.ts';
import type { ErrorTypes } from '../kit/error-types.ts';
import { addPlanTypes } from './plan.ts';

const compiledOf = ({ digest, definition }: WorkflowVersionRow): Compiled => workflowOf(digest, definition);

/** Without a version: the one that a new execution would run, or the newest if there is none. */
const loadWorkflow = async (
  { reads }: ApiContext,
  name: string,
  version?: string | null,
  atLeast?: Position | null,
): Promise<WorkflowVersionRow | null> => {
  reads.atLeast(atLeast);
  const rows = await reads.workflowVersions.load(name);
  if (version == null) return newestVersion(rows) ?? rows[0] ?? null;
  return rows.find((row) => row.version === version) ?? null;
};

export const addWorkflowTypes = (builder: Builder, errors: ErrorTypes) => {
  const { StepKind, WorkflowPlan } = addPlanTypes(builder, errors);
  const WorkflowStatus = builder.enumType('WorkflowStatus', {
    description: 'DEPRECATED runs only for executions that name the version, ARCHIVED for no new ones.',
    values: enumValues(WORKFLOW_STATUSES),
  });
  const Workflow = builder.objectRef<WorkflowVersionRow>('Workflow');
  Workflow.implement({
    description: 'A version of a workflow. A published version never changes.',
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeString('version'),
      digest: t.exposeString('digest', { description: 'SHA-256 of the canonical form of the definition.' }),
      status: t.expose('status', { type: WorkflowStatus }),
      pattern: t.exposeString('pattern', { description: `One of ${PATTERNS.join(', ')}.` }),
      description: t.exposeString('description', { nullable: true }),
      tags: t.stringList({ resolve: ({ tags }) => [...tags] }),
      taskCount: t.exposeInt('tasks'),
      definition: t.field({ type: 'JSON', resolve: ({ definition }) => definition }),
      publishedAt: t.expose('publishedAt', { type: 'DateTime' }),
      retiredAt: t.expose('retiredAt', { type: 'DateTime', nullable: true }),
      reason: t.exposeString('reason', { nullable: true, description: 'Why it was retired.' }),
      actor: t.exposeString('actor', { description: 'Who published it.' }),
      position: t.expose('updatedPosition', {
        type: 'Position',
        description: 'Position of the last event of this version.',
      }),
      plan: t.field({ type: WorkflowPlan, resolve: compiledOf }),
      versions: t.field({
        type: [Workflow],
        description: 'All versions of the workflow, newest publication first.',
        resolve: ({ name }, _, { reads }) => reads.workflowVersions.load(name),
      }),
    }),
  });
  return { Workflow, WorkflowStatus, WorkflowPlan, StepKind, loadWorkflow };
};

export type WorkflowTypes = ReturnType<typeof addWorkflowTypes>;
