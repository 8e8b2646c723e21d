import type { ObjectRef } from '@pothos/core';
import { z } from 'zod';
import { parseInput } from '../../../commands/context.ts';
import { STEP_COMPENSATION_STATES, stepCompensationStateOf } from '../../../domain/execution/compensation-state.ts';
import { decisionOf, type PersonalDecision } from '../../../domain/execution/decided.ts';
import { type Running, STEP_PHASES } from '../../../domain/execution/state.ts';
import {
  attemptsOf,
  type ItemCounts,
  inputOf,
  itemCountsOf,
  outputOf,
  type StepView,
  startedMsOf,
  stepsOf,
  taskIdOf,
} from '../../../domain/execution/steps.ts';
import { instantOf } from '../../../domain/instant.ts';
import { byteLengthOf, type Json } from '../../../domain/json.ts';
import type { Builder, FieldsOf, SchemaTypes } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import { enumValues } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { TaskTypes } from '../tasks/types.ts';
import type { WorkflowTypes } from '../workflows/types.ts';
import { agentOfStep } from './agents.ts';

type Edge = { readonly from: string; readonly to: string };

const edgesOf = (execution: Running): Edge[] =>
  execution.compiled.steps.flatMap(({ id, definition }) => definition.dependsOn.map((from) => ({ from, to: id })));

const instantOrNull = (ms: number | undefined): string | null => (ms === undefined ? null : instantOf(ms));

const addOwnTypes = (builder: Builder) => {
  const StepState = builder.enumType('StepState', {
    description:
      'OPEN: an agent works on it, or may get it. INDETERMINATE: nobody knows whether it took effect. CANCELLED: stopped because the execution ends.',
    values: enumValues(STEP_PHASES),
  });
  const UndoState = builder.enumType('UndoState', {
    description: 'DEFINED: it has a compensation, but nothing is owed.',
    values: enumValues(STEP_COMPENSATION_STATES),
  });
  const StepItems = builder.objectRef<ItemCounts>('StepItems').implement({
    fields: (t) => ({
      total: t.exposeInt('total'),
      open: t.exposeInt('open'),
      completed: t.exposeInt('completed'),
      failed: t.exposeInt('failed'),
    }),
  });
  const StepDecision = builder.objectRef<PersonalDecision>('StepDecision').implement({
    fields: (t) => ({
      option: t.exposeString('option'),
      by: t.exposeString('by', { description: 'Who decided.' }),
      comment: t.exposeString('comment', { nullable: true }),
    }),
  });
  return { StepState, UndoState, StepItems, StepDecision };
};

type OwnTypes = ReturnType<typeof addOwnTypes>;
type Fields = FieldsOf<StepView>;

/** What the definition says. */
const plannedFields = (t: Fields, { StepKind }: WorkflowTypes) => ({
  id: t.id({ resolve: ({ step }) => step.id }),
  kind: t.field({ type: StepKind, resolve: ({ step }) => step.kind }),
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
});

/** Who works on it. */
const workFields = (t: Fields, { Task, loadTask }: TaskTypes, own: OwnTypes) => ({
  attempts: t.int({
    description: 'Attempts that have begun or may begin now; for a step with items, of all items.',
    resolve: attemptsOf,
  }),
  agentId: t.id({
    nullable: true,
    description: 'Agent that did it or holds it; null for a step with items.',
    resolve: (view, _, context) => agentOfStep(view, context),
  }),
  taskId: t.id({ nullable: true, description: 'Null for a step with items.', resolve: taskIdOf }),
  task: t.field({
    type: Task,
    nullable: true,
    resolve: (view, _, context) => {
      const taskId = taskIdOf(view);
      return taskId === undefined ? null : loadTask(context, taskId);
    },
  }),
  items: t.field({
    type: own.StepItems,
    nullable: true,
    description: 'For a step that runs for each item of a list, as soon as the list is known.',
    resolve: ({ state }) => itemCountsOf(state),
  }),
});

const PayloadArguments = z.strictObject({ maxBytes: z.int().min(0).optional() });

/** The value, unless it is larger than a caller wants it. */
const within = (value: Json | undefined, args: { readonly maxBytes?: number | null | undefined }): Json | undefined => {
  const { maxBytes } = parseInput(PayloadArguments, withoutNulls({ maxBytes: args.maxBytes }));
  return value !== undefined && maxBytes !== undefined && byteLengthOf(value) > maxBytes ? undefined : value;
};

const sizeOf = (value: Json | undefined): number | undefined => (value === undefined ? undefined : byteLengthOf(value));

/** What it got, and what came out. */
const payloadFields = (t: Fields) => {
  const args = {
    maxBytes: t.arg.int({ description: 'Null instead of a value with more bytes of JSON; any size when absent.' }),
  };
  return {
    input: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What its task got; null for a step with items.',
      args,
      resolve: (view, size) => within(inputOf(view), size),
    }),
    inputBytes: t.int({ nullable: true, resolve: (view) => sizeOf(inputOf(view)) }),
    output: t.field({ type: 'JSON', nullable: true, args, resolve: (view, size) => within(outputOf(view), size) }),
    outputBytes: t.int({ nullable: true, resolve: (view) => sizeOf(outputOf(view)) }),
  };
};

/** Where it is and what came out. */
const stateFields = (t: Fields, { AttemptError }: SharedTypes, own: OwnTypes) => ({
  state: t.field({ type: own.StepState, resolve: ({ state }) => state.phase }),
  decision: t.field({
    type: own.StepDecision,
    nullable: true,
    description: 'What a person decided, of a step that waited for that.',
    resolve: decisionOf,
  }),
  ...payloadFields(t),
  error: t.field({ type: AttemptError, nullable: true, resolve: ({ state }) => state.unit.error }),
  startedAt: t.field({
    type: 'DateTime',
    nullable: true,
    description: 'When it was first offered to an agent, or started to wait.',
    resolve: (view) => instantOrNull(startedMsOf(view)),
  }),
  endedAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ state }) => instantOrNull(state.endedMs) }),
  reused: t.boolean({
    description: 'Its outcome was copied from the execution that this one was forked from.',
    resolve: ({ state }) => state.reused,
  }),
  childExecutionId: t.id({
    nullable: true,
    description: 'The sub-workflow that it waits for.',
    resolve: ({ state }) => state.waiting?.childId,
  }),
  undo: t.field({
    type: own.UndoState,
    nullable: true,
    description:
      'State of its compensation; for a step with items, the state that needs attention most; null without a compensation.',
    resolve: stepCompensationStateOf,
  }),
});

const addGraphType = (builder: Builder, ExecutionStep: ObjectRef<SchemaTypes, StepView>) => {
  const ExecutionEdge = builder.objectRef<Edge>('ExecutionGraphEdge').implement({
    fields: (t) => ({
      from: t.exposeID('from'),
      to: t.exposeID('to', { description: 'Depends on `from`.' }),
    }),
  });
  return builder.objectRef<Running>('ExecutionGraph').implement({
    fields: (t) => ({
      levels: t.int({ resolve: ({ compiled }) => compiled.plan.levels.length }),
      nodes: t.field({ type: [ExecutionStep], resolve: stepsOf }),
      edges: t.field({ type: [ExecutionEdge], resolve: edgesOf }),
    }),
  });
};

/** Types of the parts of an execution that are folded from its stream. */
export const addStepTypes = (builder: Builder, shared: SharedTypes, workflows: WorkflowTypes, tasks: TaskTypes) => {
  const own = addOwnTypes(builder);
  const ExecutionStep = builder.objectRef<StepView>('ExecutionStep').implement({
    description: 'A step of an execution as it is now.',
    fields: (t) => ({
      ...plannedFields(t, workflows),
      ...stateFields(t, shared, own),
      ...workFields(t, tasks, own),
    }),
  });
  return { ExecutionStep, ExecutionGraph: addGraphType(builder, ExecutionStep) };
};

export type StepTypes = ReturnType<typeof addStepTypes>;
