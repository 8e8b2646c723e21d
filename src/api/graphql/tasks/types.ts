import type { Money } from '../../../domain/money.ts';
import type { RetryPolicy } from '../../../domain/retry.ts';
import type { RuleRef } from '../../../domain/rules/rule-ref.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { TASK_STATUSES, type TaskRow } from '../../../projections/tasks/table.ts';
import { taskTimeline } from '../../reads/task-timeline.ts';
import type { AgentTypes } from '../agents/types.ts';
import type { Builder, FieldsOf } from '../kit/builder.ts';
import type { ApiContext } from '../kit/context.ts';
import { type Enums, enumValues } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { AttemptType } from './attempts.ts';
import type { TimelineType } from './timeline.ts';
import type { WhyType } from './why.ts';

/** A UUID means the same in either case; we write it in lower case. */
export const asTaskId = (id: string): string => id.toLowerCase();

const loadTask = async ({ reads }: ApiContext, id: string, atLeast?: Position | null): Promise<TaskRow | null> => {
  reads.atLeast(atLeast);
  return reads.tasks.load(asTaskId(id));
};

const costsOf = ({ cost }: TaskRow): Money[] =>
  Object.entries(cost).map(([currency, micros]) => ({ currency, micros }));

const ruleOf = ({ ruleName, ruleVersion, ruleVariant }: TaskRow): RuleRef | null =>
  ruleName === null || ruleVersion === null
    ? null
    : { name: ruleName, version: ruleVersion, ...(ruleVariant === null ? {} : { variant: ruleVariant }) };

export type TaskParts = {
  readonly shared: SharedTypes;
  readonly enums: Enums;
  readonly agents: AgentTypes;
  readonly TaskAttempt: AttemptType;
  readonly TimelineEntry: TimelineType;
  readonly TaskWhy: WhyType;
};

const addOwnTypes = (builder: Builder, enums: Enums) => ({
  TaskStatus: builder.enumType('TaskStatus', {
    description:
      'BLOCKED waits for the tasks that it depends on; READY waits for an agent; INDETERMINATE waits for a person or a late answer. A task without a result ends DEAD_LETTERED; a task of an execution ends FAILED instead.',
    values: enumValues(TASK_STATUSES),
  }),
  RetryPolicy: builder.objectRef<RetryPolicy>('RetryPolicy').implement({
    fields: (t) => ({
      kind: t.expose('kind', { type: enums.RetryKind }),
      maxAttempts: t.exposeInt('maxAttempts'),
      baseMs: t.exposeInt('baseMs'),
      factor: t.exposeFloat('factor'),
      maxDelayMs: t.exposeInt('maxDelayMs'),
      jitter: t.exposeFloat('jitter'),
    }),
  }),
});

type OwnTypes = ReturnType<typeof addOwnTypes>;
type Fields = FieldsOf<TaskRow>;

/** What was submitted. */
const submissionFields = (t: Fields, types: OwnTypes, { RoutedBy }: SharedTypes) => ({
  id: t.exposeID('taskId'),
  status: t.expose('status', { type: types.TaskStatus }),
  pool: t.exposeString('pool'),
  capability: t.exposeString('capability'),
  versionRange: t.exposeString('versionRange', { nullable: true }),
  priority: t.exposeInt('priority', { description: '1 critical … 5 background.' }),
  strategy: t.exposeString('strategy'),
  rule: t.field({
    type: RoutedBy,
    nullable: true,
    description: 'The rule that decided how it is routed, as it was when the task was submitted.',
    resolve: ruleOf,
  }),
  retry: t.expose('retry', { type: types.RetryPolicy }),
  timeoutMs: t.expose('timeoutMs', { type: 'SafeInt', description: 'Limit of one attempt.' }),
  tags: t.stringList({ resolve: ({ tags }) => [...tags] }),
  complexity: t.exposeFloat('complexity', { nullable: true, description: 'How much work it is, if that was stated.' }),
  dependsOn: t.idList({
    description: 'Tasks that must complete before an agent gets it.',
    resolve: ({ dependsOn }) => [...dependsOn],
  }),
});

/** Who works on it, in which attempt. */
const assignmentFields = (t: Fields, { agents }: TaskParts) => ({
  attempt: t.exposeInt('attempt', { description: 'The attempt that may run now, or that ended the task.' }),
  failures: t.exposeInt('failures', { description: 'Attempts that failed, over all retry budgets.' }),
  redrives: t.exposeInt('redrives'),
  agentId: t.exposeID('agentId', {
    nullable: true,
    description: 'Agent of the current assignment, or of the attempt that ended the task.',
  }),
  agent: t.field({
    type: agents.Agent,
    nullable: true,
    resolve: ({ agentId }, _, context) => (agentId === null ? null : agents.loadAgent(context, agentId)),
  }),
});

const timeFields = (t: Fields) => ({
  submittedAt: t.expose('submittedAt', { type: 'DateTime' }),
  deadlineAt: t.expose('deadlineAt', { type: 'DateTime', nullable: true }),
  retryAt: t.expose('retryAt', { type: 'DateTime', nullable: true }),
  assignedAt: t.expose('assignedAt', { type: 'DateTime', nullable: true }),
  startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
  expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
  endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true }),
  durationMs: t.exposeFloat('durationMs', { nullable: true, description: 'Duration of the call that completed it.' }),
});

/** How far it is, how it ended, and what it belongs to. */
const outcomeFields = (t: Fields, { shared }: TaskParts) => ({
  percent: t.exposeFloat('percent', { nullable: true }),
  progressMessage: t.exposeString('progressMessage', { nullable: true }),
  error: t.expose('error', {
    type: shared.AttemptError,
    nullable: true,
    description: 'Error of the last attempt that did not complete.',
  }),
  cost: t.field({ type: [shared.Money], description: 'Cost of all attempts, by currency.', resolve: costsOf }),
  cancelReason: t.exposeString('cancelReason', { nullable: true }),
  deadLetterReason: t.exposeString('deadLetterReason', { nullable: true }),
  deadLetteredAt: t.expose('deadLetteredAt', { type: 'DateTime', nullable: true }),
  actor: t.exposeString('actor', { description: 'Who submitted it.' }),
  correlationId: t.exposeString('correlationId'),
  executionId: t.exposeID('executionId', { nullable: true, description: 'The execution that runs it.' }),
  unit: t.exposeString('unit', {
    nullable: true,
    description: 'What it is for in its execution: a step `collect`, an item `resize[3]`, a compensation `~collect`.',
  }),
  position: t.expose('updatedPosition', { type: 'Position', description: 'Position of the last event of this task.' }),
});

/** What the row itself does not hold: read when it is selected. */
const detailFields = (t: Fields, parts: TaskParts) => ({
  input: t.field({
    type: 'JSON',
    nullable: true,
    resolve: ({ taskId }, _, { reads }) => reads.payload('input', taskId),
  }),
  result: t.field({
    type: 'JSON',
    nullable: true,
    resolve: ({ taskId }, _, { reads }) => reads.payload('result', taskId),
  }),
  checkpoint: t.field({
    type: 'JSON',
    nullable: true,
    description: 'The last checkpoint that an attempt reported.',
    resolve: ({ taskId }, _, { reads }) => reads.payload('checkpoint', taskId),
  }),
  attempts: t.field({
    type: [parts.TaskAttempt],
    resolve: ({ taskId }, _, { reads }) => reads.attempts.load(taskId),
  }),
  timeline: t.field({
    type: [parts.TimelineEntry],
    description: 'What happened to the task, in the order of the log; the newest 500.',
    resolve: ({ taskId }, _, { reads }) => taskTimeline(reads, taskId),
  }),
  why: t.field({ type: parts.TaskWhy, resolve: (task) => ({ task }) }),
});

export const addTaskTypes = (builder: Builder, parts: TaskParts) => {
  const types = addOwnTypes(builder, parts.enums);
  const Task = builder.objectRef<TaskRow>('Task').implement({
    fields: (t) => ({
      ...submissionFields(t, types, parts.shared),
      ...assignmentFields(t, parts),
      ...timeFields(t),
      ...outcomeFields(t, parts),
      ...detailFields(t, parts),
    }),
  });
  return { Task, TaskStatus: types.TaskStatus, loadTask };
};

export type TaskTypes = ReturnType<typeof addTaskTypes>;
