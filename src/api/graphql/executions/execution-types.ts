import { type Running, STEP_PHASES } from '../../../domain/execution/state.ts';
import type { Builder } from '../kit/builder.ts';
import type { ApiContext } from '../kit/context.ts';
import { enumValues } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { TaskTypes } from '../tasks/tasks.ts';
import type { WorkflowTypes } from '../workflows/workflows.ts';
import {
  attemptsOf,
  endedAt,
  errorOf,
  type ItemCounts,
  itemCountsOf,
  type StepView,
  startedAt,
  stepsOf,
  taskIdOf,
  UNDO_STATES,
  undoOf,
} from './execution-steps.ts';
import { NOT_RUNNING_REASONS, type NotRunning } from './why-not-running.ts';

/** Who did it; while it is open, who holds it, which only the read model of tasks knows. */
const agentOf = async (view: StepView, { reads }: ApiContext): Promise<string | null> => {
  const { phase, agentId, task } = view.state.unit;
  if (phase !== 'open' || task === undefined) return agentId ?? null;
  return (await reads.tasks.load(task.submitted.taskId))?.agentId ?? null;
};

type Edge = { readonly from: string; readonly to: string };

const edgesOf = (execution: Running): Edge[] =>
  execution.compiled.steps.flatMap(({ id, definition }) => definition.dependsOn.map((from) => ({ from, to: id })));

/** Types of the parts of an execution that are folded from its stream. */
export const addStepTypes = (
  builder: Builder,
  { AttemptError }: SharedTypes,
  { StepKind }: WorkflowTypes,
  { Task, loadTask }: TaskTypes,
) => {
  const StepState = builder.enumType('StepState', {
    description:
      'OPEN: an agent works on it, or may get it. INDETERMINATE: nobody knows whether it took effect. CANCELLED: called off because the execution ends.',
    values: enumValues(STEP_PHASES),
  });
  const UndoStateType = builder.enumType('UndoState', {
    description: 'DEFINED: there is a compensation, and nothing is owed.',
    values: enumValues(UNDO_STATES),
  });
  const StepItems = builder.objectRef<ItemCounts>('StepItems').implement({
    fields: (t) => ({
      total: t.exposeInt('total'),
      open: t.exposeInt('open'),
      completed: t.exposeInt('completed'),
      failed: t.exposeInt('failed'),
    }),
  });
  const ExecutionStep = builder.objectRef<StepView>('ExecutionStep').implement({
    description: 'A step of an execution as it is now.',
    fields: (t) => ({
      id: t.id({ resolve: ({ step }) => step.id }),
      kind: t.field({ type: StepKind, resolve: ({ step }) => step.kind }),
      state: t.field({ type: StepState, resolve: ({ state }) => state.phase }),
      level: t.int({
        description: 'From 1.',
        resolve: ({ execution, step }) => (execution.compiled.plan.levelOf[step.index] as number) + 1,
      }),
      dependsOn: t.stringList({ resolve: ({ step }) => step.definition.dependsOn }),
      onCriticalPath: t.boolean({
        resolve: ({ execution, step }) => execution.compiled.plan.criticalPath.nodes.includes(step.index),
      }),
      role: t.string({ nullable: true, resolve: ({ step }) => step.definition.role }),
      capability: t.string({ nullable: true, resolve: ({ step }) => step.agent?.capability }),
      attempts: t.int({
        description: 'Attempts begun, or about to begin; of a step with items, of all of them.',
        resolve: attemptsOf,
      }),
      agentId: t.id({
        nullable: true,
        description: 'Who did it or holds it; null for a step with items.',
        resolve: (view, _, context) => agentOf(view, context),
      }),
      taskId: t.id({ nullable: true, description: 'Null for a step with items.', resolve: taskIdOf }),
      task: t.field({
        type: Task,
        nullable: true,
        resolve: (view, _, context) => {
          const taskId = taskIdOf(view);
          return taskId === null ? null : loadTask(context, taskId);
        },
      }),
      items: t.field({
        type: StepItems,
        nullable: true,
        description: 'Of a step that runs for each item of a list, once the list is known.',
        resolve: itemCountsOf,
      }),
      output: t.field({
        type: 'JSON',
        nullable: true,
        resolve: ({ state }) => (state.phase === 'completed' ? state.unit.output : null),
      }),
      error: t.field({ type: AttemptError, nullable: true, resolve: errorOf }),
      startedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When it was first offered to an agent, or began to wait.',
        resolve: startedAt,
      }),
      endedAt: t.field({ type: 'DateTime', nullable: true, resolve: endedAt }),
      reused: t.boolean({
        description: 'Its outcome was taken over from the execution that this one was forked from.',
        resolve: ({ state }) => state.reused,
      }),
      childExecutionId: t.id({
        nullable: true,
        description: 'The sub-workflow that it waits for.',
        resolve: ({ state }) => state.waiting?.childId,
      }),
      undo: t.field({
        type: UndoStateType,
        nullable: true,
        description: 'Of its compensation, of several items the one that needs attention most; null without one.',
        resolve: undoOf,
      }),
    }),
  });
  const ExecutionEdge = builder.objectRef<Edge>('ExecutionGraphEdge').implement({
    fields: (t) => ({
      from: t.exposeID('from'),
      to: t.exposeID('to', { description: 'Depends on `from`.' }),
    }),
  });
  const ExecutionGraph = builder.objectRef<Running>('ExecutionGraph').implement({
    fields: (t) => ({
      levels: t.int({ resolve: ({ compiled }) => compiled.plan.levels.length }),
      nodes: t.field({ type: [ExecutionStep], resolve: stepsOf }),
      edges: t.field({ type: [ExecutionEdge], resolve: edgesOf }),
    }),
  });
  const NotRunningReason = builder.enumType('NotRunningReason', {
    description:
      'DEPENDENCY: others must end first. WINDOW: as many tasks are open as the workflow allows. DELAY, EVENT, DECISION, WORKFLOW: what the step waits for. RETRY: the next attempt is due later. AGENT: no agent has taken it yet. UNDO_ORDER: other undos come first. PARKED: a person must see to the undo.',
    values: enumValues(NOT_RUNNING_REASONS),
  });
  const NotRunningType = builder.objectRef<NotRunning>('NotRunning').implement({
    description: 'Why a step, or the undo of one, is neither done nor in the hands of an agent.',
    fields: (t) => ({
      unit: t.exposeString('unit', { description: 'A step; of an undo `~` and what is undone.' }),
      reason: t.expose('reason', { type: NotRunningReason }),
      message: t.exposeString('message'),
      dependencies: t.stringList({ resolve: ({ dependencies }) => [...dependencies] }),
      until: t.expose('until', { type: 'DateTime', nullable: true }),
      name: t.exposeString('name', { nullable: true, description: 'Of the event or the decision.' }),
      options: t.stringList({ description: 'Of the decision.', resolve: ({ options }) => [...options] }),
      childExecutionId: t.exposeID('childExecutionId', { nullable: true }),
      taskId: t.exposeID('taskId', { nullable: true, description: 'Its `why` tells about each agent.' }),
    }),
  });
  return { ExecutionStep, ExecutionGraph, NotRunning: NotRunningType };
};

export type StepTypes = ReturnType<typeof addStepTypes>;
