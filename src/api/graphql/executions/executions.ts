import type { TimeSpent } from '../../../domain/execution/events.ts';
import type { Abort, Running } from '../../../domain/execution/state.ts';
import { timeSpent } from '../../../domain/execution/time-spent.ts';
import { executionStream } from '../../../domain/ids.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { notFound } from '../../../platform/errors.ts';
import { countExecutions, type ExecutionFilter, listExecutions } from '../../../projections/executions/queries.ts';
import type { ExecutionRow } from '../../../projections/executions/table.ts';
import { MAX_PAGE } from '../../../projections/page.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import { type AddConnection, AFTER, AT_LEAST, FIRST, readConnection } from '../kit/connection.ts';
import type { ApiContext } from '../kit/context.ts';
import { type Enums, enumValues } from '../kit/enums.ts';
import { EXECUTION_TIMELINE_EVENTS } from '../kit/reads.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import { waitingOf } from '../tasks/routing.ts';
import type { WorkflowTypes } from '../workflows/workflows.ts';
import { type CompensationTypes, previewCompensation } from './compensation.ts';
import { currentPhaseOf, type StepView, stepsOf, unitsOf } from './execution-steps.ts';
import {
  type ExecutionEntry,
  type ExecutionTimelineType,
  entriesOf,
  executionTimeline,
  tasksIn,
} from './execution-timeline.ts';
import type { StepTypes } from './execution-types.ts';
import { whyNotRunning } from './why-not-running.ts';

/** A UUID means the same in either case; we write it in lower case. */
export const asExecutionId = (id: string): string => id.toLowerCase();

const loadExecution = async (
  { reads }: ApiContext,
  id: string,
  atLeast?: Position | null,
): Promise<ExecutionRow | null> => {
  await reads.atLeast(atLeast);
  return reads.executions.load(asExecutionId(id));
};

/** The execution folded from its stream: as fresh as the log, whatever the read models have seen. */
const stateOf = ({ reads, commands, caller }: ApiContext, { executionId }: ExecutionRow): Promise<Running> =>
  reads.once(`state of ${executionId}`, async () => {
    const state = await commands.executions.load(executionStream(caller.tenant, executionId), { fresh: true });
    if (state.status === 'none') throw notFound('execution', executionId);
    return state;
  });

const timeSpentOf = (execution: Running, nowMs: number): TimeSpent => timeSpent(execution, execution.endedMs ?? nowMs);

const timelineOf = async (row: ExecutionRow, context: ApiContext): Promise<ExecutionEntry[]> => {
  const { reads } = context;
  const [{ unitOf: units }, events] = await Promise.all([
    stateOf(context, row),
    reads.executionEvents(row.executionId),
  ]);
  const unitOf = (taskId: string): string | undefined => units.get(taskId);
  const entries = entriesOf(events, unitOf);
  const assignments = await Promise.all(tasksIn(entries).map((taskId) => reads.assignments.load(taskId)));
  return executionTimeline(entries, assignments.flat(), unitOf).slice(-EXECUTION_TIMELINE_EVENTS);
};

type AllocatedAgents = {
  readonly role: string | null;
  readonly capability: string;
  readonly pool: string;
  readonly agentIds: readonly string[];
};

const holdersOf = async (view: StepView, { reads }: ApiContext): Promise<string[]> => {
  const open = unitsOf(view).flatMap(({ phase, task }) => (phase === 'open' && task ? [task.submitted.taskId] : []));
  const rows = await Promise.all(open.map((taskId) => reads.tasks.load(taskId)));
  return [
    ...unitsOf(view).flatMap(({ agentId }) => agentId ?? []),
    ...rows.flatMap((row) => (row?.agentId ? [row.agentId] : [])),
  ];
};

/** Who did or does what: by role, and by capability where a step names no role. */
const allocatedAgents = async (execution: Running, context: ApiContext): Promise<AllocatedAgents[]> => {
  const groups = new Map<string, { readonly views: StepView[]; readonly of: Omit<AllocatedAgents, 'agentIds'> }>();
  for (const view of stepsOf(execution)) {
    const { agent, definition } = view.step;
    if (agent === undefined) continue;
    const role = definition.role ?? null;
    const key = JSON.stringify([role, agent.capability, agent.pool]);
    const group = groups.get(key) ?? { views: [], of: { role, capability: agent.capability, pool: agent.pool } };
    groups.set(key, group);
    group.views.push(view);
  }
  return Promise.all(
    [...groups.values()].map(async ({ views, of }) => {
      const holders = await Promise.all(views.map((view) => holdersOf(view, context)));
      return { ...of, agentIds: [...new Set(holders.flat())].sort() };
    }),
  );
};

const ABORT_REASONS = ['step_failed', 'cancelled', 'deadline_passed'] as const satisfies readonly Abort['reason'][];

export type ExecutionParts = {
  readonly shared: SharedTypes;
  readonly enums: Enums;
  readonly workflows: WorkflowTypes;
  readonly steps: StepTypes;
  readonly compensation: CompensationTypes;
  readonly ExecutionEntry: ExecutionTimelineType;
};

const addPartTypes = (builder: Builder) => ({
  TimeSpent: builder.objectRef<TimeSpent>('TimeSpent').implement({
    description: 'Where the time went, in milliseconds; the last three add up to the first.',
    fields: (t) => ({
      durationMs: t.exposeFloat('durationMs'),
      agentMs: t.exposeFloat('agentMs', {
        description: 'At least one agent was working; a call counts once it has ended.',
      }),
      waitMs: t.exposeFloat('waitMs', {
        description: 'No agent was working, and a delay, an event, a person or a sub-workflow was waited for.',
      }),
      overheadMs: t.exposeFloat('overheadMs', { description: 'The rest: what coordination cost.' }),
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

export const addExecutionTypes = (builder: Builder, given: ExecutionParts) => {
  const { shared, enums, workflows, steps, compensation, ExecutionEntry } = given;
  const parts = addPartTypes(builder);
  const Execution = builder.objectRef<ExecutionRow>('Execution');
  Execution.implement({
    description:
      'An execution of a workflow. What follows `position` is folded from its stream, and as fresh as the log.',
    fields: (t) => ({
      id: t.exposeID('executionId'),
      workflow: t.exposeString('workflow'),
      version: t.exposeString('version'),
      digest: t.exposeString('digest', { description: 'Of the definition that it runs under.' }),
      definition: t.field({
        type: workflows.Workflow,
        nullable: true,
        resolve: ({ workflow, version }, _, context) => workflows.loadWorkflow(context, workflow, version),
      }),
      status: t.expose('status', { type: enums.ExecutionStatus }),
      pausedAt: t.expose('pausedAt', { type: 'DateTime', nullable: true }),
      pauseReason: t.exposeString('pauseReason', { nullable: true }),
      abortReason: t.expose('abortReason', {
        type: parts.AbortReason,
        nullable: true,
        description: 'Why it ends, or ended, before its time.',
      }),
      cancelReason: t.exposeString('cancelReason', { nullable: true }),
      tags: t.stringList({ resolve: ({ tags }) => [...tags] }),
      startedAt: t.expose('startedAt', { type: 'DateTime' }),
      updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
      endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true }),
      deadlineAt: t.expose('deadlineAt', { type: 'DateTime', nullable: true }),
      stepsTotal: t.exposeInt('stepsTotal', {
        description: 'A step that runs for each item of a list counts as its items, once the list is known.',
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
      debtsOpen: t.exposeInt('debtsOpen', { description: 'Undos that are owed.' }),
      debtsParked: t.exposeInt('debtsParked', { description: 'Of these, how many wait for a person.' }),
      compensationDebts: t.field({
        type: [compensation.CompensationDebt],
        resolve: ({ executionId }, _, { reads }) => reads.debts.load(executionId),
      }),
      actor: t.exposeString('actor', { description: 'Who started it.' }),
      correlationId: t.exposeString('correlationId'),
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
        description: `Sub-workflows, newest first; at most ${MAX_PAGE}, more by \`executions(filter: {parentExecutionId})\`.`,
        resolve: ({ executionId }, _, { reads }) => reads.children.load(executionId),
      }),
      forkedFrom: t.field({
        type: Execution,
        nullable: true,
        resolve: ({ forkedFrom }, _, { reads }) => (forkedFrom === null ? null : reads.executions.load(forkedFrom)),
      }),
      forkedRevision: t.exposeInt('forkedRevision', {
        nullable: true,
        description: 'Revision of the last event of that execution that counts.',
      }),
      forks: t.field({
        type: [Execution],
        description: `Newest first; at most ${MAX_PAGE}.`,
        resolve: ({ executionId }, _, { reads }) => reads.forks.load(executionId),
      }),
      position: t.expose('updatedPosition', { type: 'Position', description: 'Of the last event in this row.' }),
      currentPhase: t.string({
        nullable: true,
        description: 'The lowest level of the plan that is not through: `2 of 5: calculate`.',
        resolve: async (row, _, context) => currentPhaseOf(await stateOf(context, row)),
      }),
      timeSpent: t.field({
        type: parts.TimeSpent,
        description: 'Up to now while it goes on.',
        resolve: async (row, _, context) => timeSpentOf(await stateOf(context, row), context.commands.clock.now()),
      }),
      allocatedAgents: t.field({
        type: [parts.AllocatedAgents],
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
        resolve: (row, _, context) => timelineOf(row, context),
      }),
      previewCompensation: t.field({
        type: compensation.Preview,
        args: {
          strategy: t.arg({ type: enums.CompensationStrategy, description: "The definition's when absent." }),
        },
        resolve: async (row, { strategy }, context) =>
          previewCompensation(await stateOf(context, row), strategy ?? undefined),
      }),
      whyNotRunning: t.field({
        type: [steps.NotRunning],
        description:
          'Why each step and each undo that is neither done nor in the hands of an agent does not run; what somebody could end comes first. At most 1,000.',
        resolve: async (row, _, context) =>
          whyNotRunning(await stateOf(context, row), {
            tasks: (ids) => Promise.all(ids.map((id) => context.reads.tasks.load(id))),
            waiting: (task) => waitingOf({ task }, context),
          }),
      }),
    }),
  });
  return { Execution, loadExecution };
};

export type ExecutionTypes = ReturnType<typeof addExecutionTypes>;

export const addExecutionQueries = (
  builder: Builder,
  enums: Enums,
  { Execution }: ExecutionTypes,
  addConnection: AddConnection,
): void => {
  const ExecutionFilterInput = builder.inputType('ExecutionFilter', {
    fields: (t) => ({
      statuses: t.field({ type: [enums.ExecutionStatus] }),
      workflow: t.string(),
      version: t.string(),
      tags: t.stringList({ description: 'All of them.' }),
      parentExecutionId: t.id(),
      forkedFrom: t.id(),
      correlationId: t.string(),
      text: t.string({
        description: "Part of the workflow's name, a tag or the error's message; case does not matter.",
      }),
      startedFrom: t.field({ type: 'DateTime', description: 'Inclusive.' }),
      startedTo: t.field({ type: 'DateTime', description: 'Exclusive.' }),
    }),
  });
  const ExecutionConnection = addConnection('Execution', Execution);
  builder.queryFields((t) => ({
    execution: t.field({
      type: Execution,
      nullable: true,
      args: { id: t.arg.id({ required: true }), atLeast: t.arg(AT_LEAST) },
      resolve: (_, { id, atLeast }, context) => loadExecution(context, id, atLeast),
    }),
    executions: t.field({
      type: ExecutionConnection,
      description: 'Newest start first.',
      args: {
        filter: t.arg({ type: ExecutionFilterInput }),
        first: t.arg.int(FIRST),
        after: t.arg.string(AFTER),
        atLeast: t.arg(AT_LEAST),
      },
      resolve: (_, args, context) => {
        const { pool, tenant } = context.reads;
        const filter = withoutNulls(args.filter ?? {}) satisfies ExecutionFilter;
        return readConnection(
          context,
          args,
          (page) => listExecutions(pool, tenant, filter, page),
          () => countExecutions(pool, tenant, filter),
        );
      },
    }),
  }));
};
