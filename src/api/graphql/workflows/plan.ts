import type { Step, Workflow } from '../../../domain/workflow/compile.ts';
import type { Builder } from '../kit/builder.ts';
import { enumValues } from '../kit/enums.ts';
import type { ErrorTypes } from '../kit/error-types.ts';

const idsOf = ({ steps }: Workflow, indices: readonly number[]): string[] =>
  indices.map((index) => (steps[index] as Step).id);

type PlannedTask = { readonly workflow: Workflow; readonly step: Step };

const addPlannedTask = (builder: Builder) => {
  const StepKind = builder.enumType('StepKind', {
    description: 'What a task does: call an AGENT, run another WORKFLOW, WAIT for an event or a decision, or DELAY.',
    values: enumValues(['agent', 'workflow', 'wait', 'delay'] satisfies Step['kind'][]),
  });
  const PlannedTask = builder.objectRef<PlannedTask>('PlannedTask').implement({
    fields: (t) => ({
      id: t.id({ resolve: ({ step }) => step.id }),
      kind: t.field({ type: StepKind, resolve: ({ step }) => step.kind }),
      level: t.int({
        description: 'From 1: length of the longest path to it from a task without dependencies.',
        resolve: ({ workflow, step }) => (workflow.plan.levelOf[step.index] as number) + 1,
      }),
      dependsOn: t.stringList({ resolve: ({ step }) => step.definition.dependsOn }),
      estimateMs: t.float({ nullable: true, resolve: ({ step }) => step.definition.estimateMs }),
      earliestStartMs: t.float({
        description: 'By the estimates, if only dependencies delay it.',
        resolve: ({ workflow, step }) => workflow.plan.earliestStartMs[step.index] as number,
      }),
      slackMs: t.float({
        description: 'How late it may start without delaying the whole workflow; 0 on the critical path.',
        resolve: ({ workflow, step }) => workflow.plan.slackMs[step.index] as number,
      }),
      onCriticalPath: t.boolean({
        resolve: ({ workflow, step }) => workflow.plan.criticalPath.nodes.includes(step.index),
      }),
    }),
  });
  return { StepKind, PlannedTask };
};

export const addPlanTypes = (builder: Builder, { InputIssue }: ErrorTypes) => {
  const { StepKind, PlannedTask } = addPlannedTask(builder);
  const WorkflowPlan = builder.objectRef<Workflow>('WorkflowPlan').implement({
    description: 'What is known of a workflow before it runs.',
    fields: (t) => ({
      levels: t.field({
        type: 'JSON',
        description: 'Ids of the tasks by level; tasks of one level may run in parallel.',
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
        type: [PlannedTask],
        description: 'In the order of the definition.',
        resolve: (workflow) => workflow.steps.map((step) => ({ workflow, step })),
      }),
      warnings: t.field({
        type: [InputIssue],
        description: 'What is allowed, but probably not intended.',
        resolve: ({ warnings }) => warnings,
      }),
    }),
  });
  return { StepKind, WorkflowPlan };
};
