import { z } from 'zod';
import { validateWorkflow } from '../../../commands/workflow/publish-workflow.ts';
import { newestVersion } from '../../../commands/workflow/workflow-version.ts';
import type { Json } from '../../../domain/json.ts';
import { type Workflow as Compiled, type Step, workflowOf } from '../../../domain/workflow/compile.ts';
import { PATTERNS, WorkflowDefinition } from '../../../domain/workflow/definition.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import {
  countWorkflowVersions,
  listWorkflowVersions,
  type WorkflowFilter,
} from '../../../projections/workflows/queries.ts';
import { WORKFLOW_STATUSES, type WorkflowVersionRow } from '../../../projections/workflows/table.ts';
import type { Builder } from '../kit/builder.ts';
import { under, withoutNulls } from '../kit/command-field.ts';
import { type AddConnection, AFTER, AT_LEAST, FIRST, readConnection } from '../kit/connection.ts';
import type { ApiContext } from '../kit/context.ts';
import { enumValues } from '../kit/enums.ts';
import type { ErrorTypes } from '../kit/error-types.ts';

const compiledOf = ({ digest, definition }: WorkflowVersionRow): Compiled => workflowOf(digest, definition);

const idsOf = ({ steps }: Compiled, indices: readonly number[]): string[] =>
  indices.map((index) => (steps[index] as Step).id);

/** Without a version: what a new execution takes, or the newest publication where there is none that it may. */
const loadWorkflow = async (
  { reads }: ApiContext,
  name: string,
  version?: string | null,
  atLeast?: Position | null,
): Promise<WorkflowVersionRow | null> => {
  await reads.atLeast(atLeast);
  const rows = await reads.workflowVersions.load(name);
  if (version == null) return newestVersion(rows) ?? rows[0] ?? null;
  return rows.find((row) => row.version === version) ?? null;
};

let definitionSchema: Json | undefined;

/** What a definition may hold, for editors; what a valid one must also be (a graph without cycles, …) only publishing checks. */
const schemaOfDefinition = (): Json => {
  definitionSchema ??= z.toJSONSchema(WorkflowDefinition, { io: 'input', unrepresentable: 'any' }) as Json;
  return definitionSchema;
};

type PlannedTask = { readonly workflow: Compiled; readonly step: Step };

const addPlanType = (builder: Builder, { InputIssue }: ErrorTypes) => {
  const StepKind = builder.enumType('StepKind', {
    description: 'What a task does: call an AGENT, run another WORKFLOW, WAIT for an event or a decision, or DELAY.',
    values: enumValues(['agent', 'workflow', 'wait', 'delay'] satisfies Step['kind'][]),
  });
  const PlannedTaskType = builder.objectRef<PlannedTask>('PlannedTask').implement({
    fields: (t) => ({
      id: t.id({ resolve: ({ step }) => step.id }),
      kind: t.field({ type: StepKind, resolve: ({ step }) => step.kind }),
      level: t.int({
        description: 'From 1: the longest way to it from a task that depends on nothing.',
        resolve: ({ workflow, step }) => (workflow.plan.levelOf[step.index] as number) + 1,
      }),
      dependsOn: t.stringList({ resolve: ({ step }) => step.definition.dependsOn }),
      estimateMs: t.float({ nullable: true, resolve: ({ step }) => step.definition.estimateMs }),
      earliestStartMs: t.float({
        description: 'By the estimates, with nothing in the way but dependencies.',
        resolve: ({ workflow, step }) => workflow.plan.earliestStartMs[step.index] as number,
      }),
      slackMs: t.float({
        description: 'By how much it may start late without the whole taking longer; 0 on the critical path.',
        resolve: ({ workflow, step }) => workflow.plan.slackMs[step.index] as number,
      }),
      onCriticalPath: t.boolean({
        resolve: ({ workflow, step }) => workflow.plan.criticalPath.nodes.includes(step.index),
      }),
    }),
  });
  const WorkflowPlan = builder.objectRef<Compiled>('WorkflowPlan').implement({
    description: 'What is known of a workflow before it runs.',
    fields: (t) => ({
      levels: t.field({
        type: 'JSON',
        description: 'Ids of the tasks by level; those of a level may run side by side.',
        resolve: (workflow) => workflow.plan.levels.map((level) => idsOf(workflow, level)),
      }),
      criticalPath: t.stringList({
        description: 'The longest path by estimates.',
        resolve: (workflow) => idsOf(workflow, workflow.plan.criticalPath.nodes),
      }),
      criticalPathMs: t.float({ resolve: ({ plan }) => plan.criticalPath.lengthMs }),
      totalWorkMs: t.float({ resolve: ({ plan }) => plan.totalWorkMs }),
      maxParallelism: t.int({ description: 'Tasks of the widest level.', resolve: ({ plan }) => plan.maxParallelism }),
      averageParallelism: t.float({ resolve: ({ plan }) => plan.averageParallelism }),
      edges: t.int({ resolve: ({ plan }) => plan.edges }),
      tasks: t.field({
        type: [PlannedTaskType],
        description: 'In the order of the definition.',
        resolve: (workflow) => workflow.steps.map((step) => ({ workflow, step })),
      }),
      warnings: t.field({
        type: [InputIssue],
        description: 'What is allowed, and probably not meant.',
        resolve: ({ warnings }) => warnings,
      }),
    }),
  });
  return { StepKind, WorkflowPlan };
};

export const addWorkflowTypes = (builder: Builder, errors: ErrorTypes) => {
  const { StepKind, WorkflowPlan } = addPlanType(builder, errors);
  const WorkflowStatus = builder.enumType('WorkflowStatus', {
    description: 'DEPRECATED runs only for executions that name the version, ARCHIVED for no new ones.',
    values: enumValues(WORKFLOW_STATUSES),
  });
  const Workflow = builder.objectRef<WorkflowVersionRow>('Workflow');
  Workflow.implement({
    description: 'A version of a workflow. What was published is never changed.',
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
      position: t.expose('updatedPosition', { type: 'Position', description: 'Of the last event of this version.' }),
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

export const addWorkflowQueries = (
  builder: Builder,
  { Workflow, WorkflowStatus, WorkflowPlan }: WorkflowTypes,
  addConnection: AddConnection,
): void => {
  const WorkflowFilterInput = builder.inputType('WorkflowFilter', {
    fields: (t) => ({
      name: t.string(),
      statuses: t.field({ type: [WorkflowStatus] }),
      pattern: t.string(),
      tags: t.stringList({ description: 'All of them.' }),
      text: t.string({ description: 'Part of the name, the description or a tag; case does not matter.' }),
    }),
  });
  const WorkflowConnection = addConnection('Workflow', Workflow);
  builder.queryFields((t) => ({
    workflow: t.field({
      type: Workflow,
      nullable: true,
      args: {
        name: t.arg.string({ required: true }),
        version: t.arg.string({ description: 'The one that a new execution takes when absent.' }),
        atLeast: t.arg(AT_LEAST),
      },
      resolve: (_, { name, version, atLeast }, context) => loadWorkflow(context, name, version, atLeast),
    }),
    workflows: t.field({
      type: WorkflowConnection,
      description: 'Newest publication first; each version is a node.',
      args: {
        filter: t.arg({ type: WorkflowFilterInput }),
        first: t.arg.int(FIRST),
        after: t.arg.string(AFTER),
        atLeast: t.arg(AT_LEAST),
      },
      resolve: (_, args, context) => {
        const { pool, tenant } = context.reads;
        const filter = withoutNulls(args.filter ?? {}) satisfies WorkflowFilter;
        return readConnection(
          context,
          args,
          (page) => listWorkflowVersions(pool, tenant, filter, page),
          () => countWorkflowVersions(pool, tenant, filter),
        );
      },
    }),
    workflowDefinitionSchema: t.field({
      type: 'JSON',
      description: 'JSON Schema of a definition.',
      resolve: schemaOfDefinition,
    }),
    planWorkflow: t.field({
      type: WorkflowPlan,
      description:
        'Checks and plans a definition without publishing it; BAD_USER_INPUT names everything that is wrong.',
      args: { definition: t.arg({ type: 'JSON', required: true }) },
      resolve: (_, { definition }) => under('/definition', async () => validateWorkflow(definition).workflow),
    }),
  }));
};
