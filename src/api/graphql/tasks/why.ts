import { TaskId, taskStream } from '../../../domain/ids.ts';
import { Exclusion } from '../../../domain/pool/events.ts';
import { WAITING_REASONS } from '../../../domain/routing/waiting-reasons.ts';
import type { Waiting } from '../../../domain/routing/why-waiting.ts';
import { notFound } from '../../../platform/errors.ts';
import type { AssignmentRow } from '../../../projections/assignments/table.ts';
import type { TaskRow } from '../../../projections/tasks/table.ts';
import { waitingForAgentText } from '../../../wording/executions.ts';
import { excludedText } from '../../../wording/given-up.ts';
import { givenUpOf } from '../../reads/given-up.ts';
import { waitingOf } from '../../reads/waiting.ts';
import type { Builder } from '../kit/builder.ts';
import { AT_LEAST } from '../kit/connection.ts';
import { type Enums, enumValues } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { AttemptType } from './attempts.ts';
import { addGivenUpType } from './given-up.ts';

type RoutingCandidate = AssignmentRow['reason']['candidates'][number];
type ScoreTerm = { readonly name: string; readonly value: number };
type ExcludedAgents = { readonly reason: Exclusion; readonly agents: number };

/** Why a task is where it is. */
export type TaskWhy = { readonly task: TaskRow };

const excludedOf = ({ reason }: AssignmentRow): ExcludedAgents[] =>
  Object.entries(reason.excluded).map(([name, agents]) => ({ reason: name as Exclusion, agents }));

const addDecisionType = (builder: Builder, { RoutedBy }: SharedTypes) => {
  const ScoreTerm = builder.objectRef<ScoreTerm>('ScoreTerm').implement({
    description: 'A number of which a score is made, by the formula of the strategy.',
    fields: (t) => ({ name: t.exposeString('name'), value: t.exposeFloat('value') }),
  });
  const RoutingCandidate = builder.objectRef<RoutingCandidate>('RoutingCandidate').implement({
    fields: (t) => ({
      agentId: t.exposeID('agentId'),
      score: t.exposeFloat('score', {
        description: 'By the formula of the strategy and its version; some prefer low scores, some high ones.',
      }),
      open: t.exposeInt('open', { description: 'Attempts it held at that moment.' }),
      terms: t.field({
        type: [ScoreTerm],
        resolve: ({ terms = {} }) => Object.entries(terms).map(([name, value]) => ({ name, value })),
      }),
    }),
  });
  const ExclusionReason = builder.enumType('ExclusionReason', { values: enumValues(Exclusion.options) });
  const ExcludedAgents = builder.objectRef<ExcludedAgents>('ExcludedAgents').implement({
    fields: (t) => ({
      reason: t.expose('reason', { type: ExclusionReason }),
      agents: t.exposeInt('agents'),
      message: t.string({ resolve: ({ reason, agents }) => excludedText(reason, agents) }),
    }),
  });
  return builder.objectRef<AssignmentRow>('RoutingDecision').implement({
    description: 'A decision to assign an attempt, with everything it was based on, as it was recorded.',
    fields: (t) => ({
      attempt: t.exposeInt('attempt'),
      agentId: t.exposeID('agentId'),
      at: t.expose('assignedAt', { type: 'DateTime' }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime' }),
      strategy: t.exposeString('strategy'),
      strategyVersion: t.int({ resolve: ({ reason }) => reason.strategyVersion }),
      eligible: t.int({
        description: 'Agents that could have taken it.',
        resolve: ({ reason }) => reason.eligible,
      }),
      candidates: t.field({
        type: [RoutingCandidate],
        description: 'The best five, best first: the chosen agent, then those that would have come next.',
        resolve: ({ reason }) => reason.candidates,
      }),
      excluded: t.field({ type: [ExcludedAgents], resolve: excludedOf }),
      seed: t.float({
        nullable: true,
        description: 'Where the choice was drawn: the same seed draws the same.',
        resolve: ({ reason }) => reason.seed,
      }),
      rule: t.field({
        type: RoutedBy,
        nullable: true,
        description: 'The rule by which the task was routed, as it was when the task was submitted.',
        resolve: ({ reason }) => reason.rule,
      }),
      overflow: t.id({
        nullable: true,
        description: "The agent that the task's key belongs to, which could not take it then.",
        resolve: ({ reason }) => reason.overflow,
      }),
      waitedMs: t.exposeFloat('waitedMs', { description: 'How long the attempt was ready before this decision.' }),
      position: t.expose('position', { type: 'Position' }),
    }),
  });
};

const addWaitingType = (builder: Builder, { Obstacle }: Enums) => {
  const WaitingReason = builder.enumType('WaitingReason', { values: enumValues(WAITING_REASONS) });
  return builder.objectRef<Waiting>('TaskWaiting').implement({
    description: 'Why no agent has the task now. The counts are agents of its pool that offer its capability.',
    fields: (t) => ({
      reason: t.expose('reason', { type: WaitingReason }),
      obstacle: t.expose('obstacle', { type: Obstacle }),
      message: t.string({ resolve: waitingForAgentText }),
      unblock: t.exposeString('unblock', { description: 'The least that would have to change.' }),
      until: t.expose('until', {
        type: 'DateTime',
        nullable: true,
        description: 'When the reason ends by itself, if that is known.',
      }),
      since: t.expose('since', { type: 'DateTime' }),
      able: t.exposeInt('able'),
      draining: t.exposeInt('draining'),
      maintenance: t.exposeInt('maintenance'),
      warming: t.exposeInt('warming'),
      unhealthy: t.exposeInt('unhealthy'),
      unreachable: t.exposeInt('unreachable', {
        description: 'Could not be reached since they last answered; while they rest they count as unhealthy, too.',
      }),
      paused: t.exposeInt('paused', { description: 'Asked not to be called for a while.' }),
      breaker: t.exposeInt('breaker', { description: 'Kept out by their breaker for the capability.' }),
      busy: t.exposeInt('busy'),
      free: t.exposeInt('free'),
    }),
  });
};

const addWhyNotRunning = (builder: Builder, TaskWaiting: ReturnType<typeof addWaitingType>): void =>
  builder.queryField('whyNotRunning', (t) =>
    t.field({
      type: TaskWaiting,
      nullable: true,
      description:
        'The one reason why no agent has the task; null when it does not wait for one. The steps of an execution have their own: `execution.whyNotRunning`.',
      args: { taskId: t.arg.id({ required: true }), atLeast: t.arg(AT_LEAST) },
      resolve: async (_, { taskId, atLeast }, context) => {
        const { reads } = context;
        const id = taskId.toLowerCase();
        reads.atLeast(atLeast);
        const task = await reads.existing({ schema: TaskId, streamOf: taskStream, id }, () => reads.tasks.load(id));
        if (task === null) throw notFound('task', JSON.stringify(taskId));
        return waitingOf(task, context);
      },
    }),
  );

type WhyKit = { readonly shared: SharedTypes; readonly enums: Enums };

export const addWhyType = (builder: Builder, { shared, enums }: WhyKit, TaskAttempt: AttemptType) => {
  const TaskGivenUp = addGivenUpType(builder, TaskAttempt);
  const RoutingDecision = addDecisionType(builder, shared);
  const TaskWaiting = addWaitingType(builder, enums);
  addWhyNotRunning(builder, TaskWaiting);
  return builder.objectRef<TaskWhy>('TaskWhy').implement({
    description: 'Why the task is where it is.',
    fields: (t) => ({
      decisions: t.field({
        type: [RoutingDecision],
        description: 'Oldest first.',
        resolve: ({ task }, _, { reads }) => reads.assignments.load(task.taskId),
      }),
      waiting: t.field({
        type: TaskWaiting,
        nullable: true,
        description: 'Set while the task waits for an agent.',
        resolve: ({ task }, _, context) => waitingOf(task, context),
      }),
      givenUp: t.field({
        type: TaskGivenUp,
        nullable: true,
        description: 'Set when the task has ended without a result and was not cancelled.',
        resolve: ({ task }) => givenUpOf(task),
      }),
    }),
  });
};

export type WhyType = ReturnType<typeof addWhyType>;
