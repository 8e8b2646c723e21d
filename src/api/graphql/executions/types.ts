import type { ObjectRef } from '@pothos/core';
import { previewCompensation } from '../../../domain/execution/compensation-preview.ts';
import type { TimeSpent } from '../../../domain/execution/events.ts';
import type { Abort } from '../../../domain/execution/state.ts';
import { progressOf, stepsOf } from '../../../domain/execution/steps.ts';
import { timeSpent } from '../../../domain/execution/time-spent.ts';
import type { ExecutionRow } from '../../../projections/executions/table.ts';
import { MAX_PAGE } from '../../../projections/page-size.ts';
import { progressText } from '../../../wording/executions.ts';
import { stateOf } from '../../reads/execution-state.ts';
import { executionTimeline } from '../../reads/execution-timeline.ts';
import { notRunningIn } from '../../reads/not-running.ts';
import { EXECUTION_TIMELINE_EVENTS } from '../../reads/reads.ts';
import type { Builder, FieldsOf, SchemaTypes } from '../kit/builder.ts';
import { type Enums, enumValues } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { WorkflowTypes } from '../workflows/types.ts';
import { type AllocatedAgents, allocatedAgents } from './agents.ts';
import type { CompensationTypes } from './compensation.ts';
import type { StepTypes } from './steps.ts';
import type { ExecutionTimelineType } from './timeline.ts';
import type { NotRunningType } from './why-not-running.ts';

const ABORT_REASONS = ['step_failed', 'cancelled', 'deadline_passed'] as const satisfies readonly Abort['reason'][];

export type ExecutionParts = {
  readonly shared: SharedTypes;
  readonly enums: Enums;
  readonly workflows: WorkflowTypes;
  readonly steps: StepTypes;
  readonly compensation: CompensationTypes;
  readonly ExecutionEntry: ExecutionTimelineType;
  readonly NotRunning: NotRunningType;
};

const addOwnTypes = (builder: Builder) => ({
  TimeSpent: builder.objectRef<TimeSpent>('TimeSpent').implement({
    description: 'Where the time went, in milliseconds. `agentMs`, `waitMs` and `overheadMs` add up to `durationMs`.',
    fields: (t) => ({
      durationMs: t.exposeFloat('durationMs'),
      agentMs: t.exposeFloat('agentMs', {
        description: 'At least one agent was working; a call counts once it has ended.',
      }),
      waitMs: t.exposeFloat('waitMs', {
        description:
          'No agent was working, and the execution waited for a delay, an event, a person or a sub-workflow.',
      }),
      overheadMs: t.exposeFloat('overheadMs', { description: 'The rest: time spent on coordination.' }),
    }),
  }),
  AllocatedAgents: builder.objectRef<AllocatedAgents>('AllocatedAgents').implement({
    fields: (t) => ({
      role: t.exposeString('role', { nullable: true }),
      capability: t.exposeString('capability'),
      pool: t.exposeString('pool'),
      agentIds: t.field({ type: ['ID'], resolve: ({ agentIds }) => agentIds }),
    }),
  }),
  AbortReason: builder.enumType('AbortReason', { values: enumValues(ABORT_REASONS) }),
});

type OwnTypes = ReturnType<typeof addOwnTypes>;
type Fields = FieldsOf<ExecutionRow>;

const stateFields = (t: Fields, { enums, workflows }: ExecutionParts, own: OwnTypes) => ({
  id: t.exposeID('executionId'),
  workflow: t.exposeString('workflow'),
  version: t.exposeString('version'),
  digest: t.exposeString('digest', { description: 'Digest of the definition that it runs.' }),
  definition: t.field({
    type: workflows.Workflow,
    nullable: true,
    resolve: ({ workflow, version }, _, context) => workflows.loadWorkflow(context, workflow, version),
  }),
  status: t.expose('status', { type: enums.ExecutionStatus }),
  pausedAt: t.expose('pausedAt', { type: 'DateTime', nullable: true }),
  pauseReason: t.exposeString('pauseReason', { nullable: true }),
  abortReason: t.expose('abortReason', {
    type: own.AbortReason,
    nullable: true,
    description: 'Why it ends, or ended, early.',
  }),
  cancelReason: t.exposeString('cancelReason', { nullable: true }),
});

const factFields = (t: Fields) => ({
  tags: t.stringList({ resolve: ({ tags }) => [...tags] }),
  startedAt: t.expose('startedAt', { type: 'DateTime' }),
  updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true }),
  deadlineAt: t.expose('deadlineAt', { type: 'DateTime', nullable: true }),
  actor: t.exposeString('actor', { description: 'Who started it.' }),
  correlationId: t.exposeString('correlationId'),
  position: t.expose('updatedPosition', { type: 'Position', description: 'Position of the last event in this row.' }),
});

/** Its progress, its result, and its open compensations. */
const outcomeFields = (t: Fields, { shared, enums, compensation }: ExecutionParts) => ({
  stepsTotal: t.exposeInt('stepsTotal', {
    description: 'A step that runs for each item of a list counts once per item, as soon as the list is known.',
  }),
  stepsCompleted: t.exposeInt('stepsCompleted'),
  stepsFailed: t.exposeInt('stepsFailed'),
  stepsSkipped: t.exposeInt('stepsSkipped'),
  error: t.expose('error', { type: shared.AttemptError, nullable: true }),
  input: t.field({
    type: 'JSON',
    nullable: true,
    resolve: ({ executionId }, _, { reads }) => reads.executionPayload('input', executionId),
  }),
  output: t.field({
    type: 'JSON',
    nullable: true,
    resolve: ({ executionId }, _, { reads }) => reads.executionPayload('output', executionId),
  }),
  compensationStrategy: t.expose('compensationStrategy', { type: enums.CompensationStrategy, nullable: true }),
  debtsOpen: t.exposeInt('debtsOpen', { description: 'Compensations that are owed.' }),
  debtsParked: t.exposeInt('debtsParked', { description: 'Of these, how many wait for a person.' }),
  compensationDebts: t.field({
    type: [compensation.CompensationDebt],
    resolve: ({ executionId }, _, { reads }) => reads.compensations.load(executionId),
  }),
});

const relatedFields = (t: Fields, Execution: ObjectRef<SchemaTypes, ExecutionRow>) => ({
  parent: t.field({
    type: Execution,
    nullable: true,
    description: 'The execution that this is the sub-workflow of.',
    resolve: ({ parentExecutionId }, _, { reads }) =>
      parentExecutionId === null ? null : reads.executions.load(parentExecutionId),
  }),
  parentStep: t.exposeString('parentStep', { nullable: true }),
  children: t.field({
    type: [Execution],
    description: `Sub-workflows, newest first; at most ${MAX_PAGE}, more with \`executions(filter: {parentExecutionId})\`.`,
    resolve: ({ executionId }, _, { reads }) => reads.children.load(executionId),
  }),
  forkedFrom: t.field({
    type: Execution,
    nullable: true,
    resolve: ({ forkedFrom }, _, { reads }) => (forkedFrom === null ? null : reads.executions.load(forkedFrom)),
  }),
  forkedRevision: t.exposeInt('forkedRevision', {
    nullable: true,
    description: 'Revision of the last event that was taken over from that execution.',
  }),
  forks: t.field({
    type: [Execution],
    description: `Newest first; at most ${MAX_PAGE}.`,
    resolve: ({ executionId }, _, { reads }) => reads.forks.load(executionId),
  }),
});

/** What is folded from the stream of the execution. */
const foldedFields = (
  t: Fields,
  { enums, steps, compensation, ExecutionEntry, NotRunning }: ExecutionParts,
  own: OwnTypes,
) => ({
  currentPhase: t.string({
    nullable: true,
    description: 'The lowest level of the plan that is not finished: `2 of 5: calculate`.',
    resolve: async (row, _, context) => {
      const progress = progressOf(await stateOf(context, row));
      return progress && progressText(progress);
    },
  }),
  timeSpent: t.field({
    type: own.TimeSpent,
    description: 'Up to now while it runs.',
    resolve: async (row, _, context) => {
      const execution = await stateOf(context, row);
      return timeSpent(execution, execution.endedMs ?? context.commands.clock.now());
    },
  }),
  allocatedAgents: t.field({
    type: [own.AllocatedAgents],
    description: 'Who did or does what.',
    resolve: async (row, _, context) => allocatedAgents(await stateOf(context, row), context),
  }),
  steps: t.field({
    type: [steps.ExecutionStep],
    description: 'In the order of the definition.',
    resolve: async (row, _, context) => stepsOf(await stateOf(context, row)),
  }),
  graph: t.field({ type: steps.ExecutionGraph, resolve: (row, _, context) => stateOf(context, row) }),
  timeline: t.field({
    type: [ExecutionEntry],
    description: `What happened, in the order of the log; the newest ${EXECUTION_TIMELINE_EVENTS}.`,
    resolve: (row, _, context) => executionTimeline(row, context),
  }),
  previewCompensation: t.field({
    type: compensation.Preview,
    args: {
      strategy: t.arg({ type: enums.CompensationStrategy, description: 'The strategy of the definition when absent.' }),
    },
    resolve: async (row, { strategy }, context) =>
      previewCompensation(await stateOf(context, row), strategy ?? undefined),
  }),
  whyNotRunning: t.field({
    type: [NotRunning],
    description:
      'Why each step and each compensation that has not ended and is not held by an agent does not run. Those that somebody could do something about come first. At most 1,000.',
    resolve: async (row, _, context) => notRunningIn(await stateOf(context, row), context),
  }),
});

export const addExecutionTypes = (builder: Builder, parts: ExecutionParts) => {
  const own = addOwnTypes(builder);
  const Execution = builder.objectRef<ExecutionRow>('Execution');
  Execution.implement({
    description:
      'An execution of a workflow. What follows `position` is folded from its stream, and as fresh as the log.',
    fields: (t) => ({
      ...stateFields(t, parts, own),
      ...factFields(t),
      ...outcomeFields(t, parts),
      ...relatedFields(t, Execution),
      ...foldedFields(t, parts, own),
    }),
  });
  return { Execution };
};

export type ExecutionTypes = ReturnType<typeof addExecutionTypes>;
