import { z } from 'zod';
import { AgentId, TaskId, taskStream } from '../../domain/ids.ts';
import { BuiltPayload, text } from '../../domain/json.ts';
import { Money } from '../../domain/money.ts';
import { RoutingReason } from '../../domain/pool/events.ts';
import { ok } from '../../domain/result.ts';
import { RetryPolicy } from '../../domain/retry.ts';
import { OBSTACLES } from '../../domain/routing/obstacles.ts';
import { WAITING_REASONS } from '../../domain/routing/waiting-reasons.ts';
import { AttemptError } from '../../domain/task/events.ts';
import { notFound } from '../../platform/errors.ts';
import { assignmentsTable } from '../../projections/assignments/table.ts';
import {
  countDeadLetters,
  type DeadLetterFilter,
  type DeadLetterGroup,
  groupDeadLetters,
  listDeadLetters,
} from '../../projections/dead-letters/queries.ts';
import { DEAD_LETTER_STATUSES, deadLettersTable } from '../../projections/dead-letters/table.ts';
import { taskAttemptsTable } from '../../projections/task-attempts/table.ts';
import { countTasks, listTasks, type TaskFilter } from '../../projections/tasks/queries.ts';
import { TASK_STATUSES, type TaskRow, tasksTable } from '../../projections/tasks/table.ts';
import { END_REASONS, type EndReason, givenUpAdvice, givenUpText } from '../../wording/given-up.ts';
import { PositionText } from '../edge/query-string.ts';
import type { TaskChange } from '../live/task-changes.ts';
import { givenUpOf, lastFailure } from '../reads/given-up.ts';
import { taskTimeline } from '../reads/task-timeline.ts';
import { waitingOf } from '../reads/waiting.ts';
import { TASK } from './examples.ts';
import { from, textOf, to } from './filters.ts';
import { FIRST, listOf, several } from './list.ts';
import {
  AT_LEAST,
  AtLeastQuery,
  type Operation,
  operation,
  positionOf,
  QUERY_REFUSALS,
  type Requested,
  SUBJECT_REFUSALS,
} from './operation.ts';
import { viewOf } from './view.ts';

const task = viewOf(tasksTable, {
  hides: ['assignedPosition', 'deadLetterPosition', 'deadLetterAttempts'],
  json: { retry: RetryPolicy, error: AttemptError, cost: z.record(z.string(), z.int()) },
});
const attempt = viewOf(taskAttemptsTable, {
  hides: ['pool', 'capability'],
  json: { error: AttemptError, cost: Money },
});
const decision = viewOf(assignmentsTable, { hides: [], json: { reason: RoutingReason } });
const deadLetter = viewOf(deadLettersTable, { hides: ['errorCode'], json: { error: AttemptError } });

const list = listOf({
  path: '/tasks',
  id: 'listTasks',
  summary: 'List tasks, newest submission first',
  filter: {
    status: several(z.enum(TASK_STATUSES), 'Any of them.'),
    capability: textOf('What an agent must offer to take the task.'),
    pool: textOf('Pool of agents.'),
    agentId: textOf('Who holds the task, or ended it.'),
    tag: several(text({ min: 1, max: 100 }), 'All of them.'),
    priority: several(z.enum(['1', '2', '3', '4', '5']), 'Any of them: 1 critical … 5 background.'),
    correlationId: textOf('Tasks of one flow.'),
    executionId: textOf('Tasks of this execution.'),
    text: textOf("Part of the capability, the agent's id, a tag or the error's message; case does not matter."),
    submittedFrom: from(),
    submittedTo: to(),
  },
  filterOf: ({ status, tag, priority, ...filter }) =>
    ({ ...filter, statuses: status, tags: tag, priorities: priority?.map(Number) }) satisfies TaskFilter,
  item: task,
  list: listTasks,
  count: countTasks,
  example: { query: { tag: ['2026-07'], first: '10' } },
});

const loadTask = (request: Requested<{ readonly atLeast?: string | undefined }>): Promise<TaskRow> => {
  const { reads, target, query } = request;
  const taskId = target.toLowerCase();
  reads.atLeast(positionOf(query));
  return found(
    target,
    reads.existing({ schema: TaskId, streamOf: taskStream, id: taskId }, () => reads.tasks.load(taskId)),
  );
};

const found = async (target: string, row: Promise<TaskRow | null>): Promise<TaskRow> => {
  const task = await row;
  if (task === null) throw notFound('task', JSON.stringify(target));
  return task;
};

/** States in which a task still changes by itself. */
const GOES_ON: ReadonlySet<string> = new Set(['blocked', 'ready', 'assigned']);

/** The task as it is when it has ended, or when the client's patience has. */
const awaitedTask = async (request: Requested<{ readonly atLeast?: string | undefined }>): Promise<TaskRow> => {
  const { reads, waits, caller, patience, head, target } = request;
  const row = await loadTask(request);
  const { taskId, status, executionId, updatedPosition: position } = row;
  // Those of an execution end in its stream: wait for the execution.
  if (!GOES_ON.has(status) || executionId !== null) return row;
  const known = ok({ id: taskId, position, repeated: true });
  const waited = await waits.task(caller.tenant, patience, async () => known);
  if (!waited.ok || waited.value.outcome === undefined) return row;
  reads.atLeast(head());
  return found(target, reads.tasks.load(taskId));
};

const TaskDetails = task.schema.extend({
  input: BuiltPayload.optional(),
  result: BuiltPayload.optional(),
  checkpoint: BuiltPayload.optional().meta({ description: 'The last one that an attempt reported.' }),
  attempts: z.array(attempt.schema),
});

const show = operation({
  method: 'get',
  path: '/tasks/{id}',
  id: 'showTask',
  summary: 'Show a task with its input, result and attempts',
  target: TaskId,
  query: AtLeastQuery,
  waits: { done: 'The task' },
  success: { status: 200, description: 'The task', schema: TaskDetails },
  refusals: SUBJECT_REFUSALS,
  example: { target: TASK },
  async run(request) {
    const { reads } = request;
    const row = await awaitedTask(request);
    const [input, result, checkpoint, attempts] = await Promise.all([
      reads.payload('input', row.taskId),
      reads.payload('result', row.taskId),
      reads.payload('checkpoint', row.taskId),
      reads.attempts.load(row.taskId),
    ]);
    return { body: { ...task.of(row), input, result, checkpoint, attempts: attempts.map(attempt.of) } };
  },
});

export const TimelineEntry = z.strictObject({
  position: PositionText,
  type: z.string().meta({ description: 'Event type, or `TaskAssigned` for a decision of the pool.' }),
  at: z.iso.datetime(),
  taskId: TaskId,
  attempt: z.int().optional(),
  agentId: AgentId.optional(),
  summary: z.string(),
  actor: z.string().optional(),
  data: z.unknown().meta({ description: 'The event as recorded.' }),
});

const entryOf = ({ position, attempt, agentId, actor, ...entry }: TaskChange): z.output<typeof TimelineEntry> => ({
  ...entry,
  position: String(position),
  ...(attempt === null ? {} : { attempt }),
  ...(agentId === null ? {} : { agentId }),
  ...(actor === null ? {} : { actor }),
});

const timeline = operation({
  method: 'get',
  path: '/tasks/{id}/timeline',
  id: 'taskTimeline',
  summary: 'What happened to a task, in the order of the log; the newest 500',
  target: TaskId,
  query: AtLeastQuery,
  success: { status: 200, description: 'Its events', schema: z.strictObject({ items: z.array(TimelineEntry) }) },
  refusals: SUBJECT_REFUSALS,
  example: { target: TASK },
  async run(request) {
    const { taskId } = await loadTask(request);
    return { body: { items: (await taskTimeline(request.reads, taskId)).map(entryOf) } };
  },
});

const Count = z.int().min(0);
const Waiting = z.strictObject({
  reason: z.enum(WAITING_REASONS),
  obstacle: z.enum(OBSTACLES).meta({ description: 'What kind of reason it is: of several the first in this order.' }),
  message: z.string(),
  unblock: z.string().meta({ description: 'The least that would have to change.' }),
  until: z.iso.datetime().optional().meta({ description: 'When it ends by itself, if that is known.' }),
  since: z.iso.datetime(),
  able: Count,
  draining: Count,
  maintenance: Count,
  warming: Count,
  unhealthy: Count,
  unreachable: Count,
  paused: Count,
  breaker: Count,
  busy: Count,
  free: Count,
});

const GivenUp = z.strictObject({
  reason: z.enum(Object.keys(END_REASONS) as [EndReason, ...EndReason[]]),
  message: z.string(),
  advice: z.string(),
  attempts: z.int().min(0).meta({ description: 'Attempts that had ended.' }),
  lastFailure: attempt.schema.optional(),
});

export const TaskWhy = z.strictObject({
  decisions: z.array(decision.schema).meta({ description: 'Oldest first, with everything that each was based on.' }),
  waiting: Waiting.optional().meta({ description: 'Why no agent has it now; absent when it does not wait for one.' }),
  givenUp: GivenUp.optional().meta({ description: 'Why it ended without a result, and what can be done.' }),
});

const givenUp = async (row: TaskRow, request: Requested): Promise<z.output<typeof GivenUp> | undefined> => {
  const given = givenUpOf(row);
  if (given === null) return undefined;
  const failure = await lastFailure(row.taskId, request);
  const { reason, attempts } = given;
  const told = { reason, message: givenUpText(given), advice: givenUpAdvice(given), attempts };
  return failure === null ? told : { ...told, lastFailure: attempt.of(failure) };
};

const why = operation({
  method: 'get',
  path: '/tasks/{id}/why',
  id: 'explainTask',
  summary: 'Why a task is where it is',
  target: TaskId,
  query: AtLeastQuery,
  success: { status: 200, description: 'The recorded decisions, and what it waits for', schema: TaskWhy },
  refusals: SUBJECT_REFUSALS,
  example: { target: TASK },
  async run(request) {
    const row = await loadTask(request);
    const decisions = await request.reads.assignments.load(row.taskId);
    const waiting = await waitingOf(row, request);
    const ended = await givenUp(row, request);
    return {
      body: {
        decisions: decisions.map(decision.of),
        ...(waiting ? { waiting: { ...waiting, until: waiting.until ?? undefined } } : {}),
        ...(ended ? { givenUp: ended } : {}),
      },
    };
  },
});

const DEAD_LETTER_FILTER = z.strictObject({
  status: several(z.enum(DEAD_LETTER_STATUSES), 'Any of them; open when absent.'),
  pool: textOf('Pool of agents.'),
  capability: textOf('What the task asked for.'),
  agentId: textOf('Who had the last attempt.'),
  reason: textOf('Why it was given up.'),
  errorCode: textOf('Code of the last error.'),
  fingerprint: textOf('The failure, as `/dead-letter-groups` names it.'),
  text: textOf("Part of the error's message; case does not matter."),
});

const deadLetterFilterOf = ({ status, ...filter }: z.output<typeof DEAD_LETTER_FILTER>): DeadLetterFilter => ({
  ...filter,
  statuses: status ?? ['open'],
});

const deadLetters = listOf({
  path: '/dead-letters',
  id: 'listDeadLetters',
  summary: 'List dead letters, newest first',
  filter: DEAD_LETTER_FILTER.shape,
  filterOf: deadLetterFilterOf,
  item: deadLetter,
  list: listDeadLetters,
  count: countDeadLetters,
});

const Group = z.strictObject({
  fingerprint: z
    .string()
    .meta({ description: 'The same for errors that differ only in ids, numbers and quoted text.' }),
  errorCode: z.string(),
  count: z.int().min(1),
  message: z.string().meta({ description: 'Of the newest of them.' }),
  taskId: TaskId.meta({ description: 'The newest of them.' }),
  oldestAt: z.iso.datetime(),
  newestAt: z.iso.datetime(),
  capabilities: z.array(z.string()).meta({ description: 'At most 20, by name.' }),
});

const groupOf = ({ count, ...group }: DeadLetterGroup) => ({ ...group, count: Number(count) });

const deadLetterGroups = operation({
  method: 'get',
  path: '/dead-letter-groups',
  id: 'groupDeadLetters',
  summary: 'Count dead letters by failure, the most frequent first',
  query: DEAD_LETTER_FILTER.extend({ first: FIRST, ...AT_LEAST }),
  success: { status: 200, description: 'The groups', schema: z.strictObject({ items: z.array(Group) }) },
  refusals: QUERY_REFUSALS,
  example: {},
  async run({ reads, query }) {
    const { first, atLeast, ...filter } = query;
    reads.atLeast(positionOf({ atLeast }));
    const groups = groupDeadLetters(reads.pool, reads.tenant, deadLetterFilterOf(filter), Number(first));
    return { body: { items: (await reads.of(groups)).map(groupOf) } };
  },
});

export const TASK_QUERIES: readonly Operation[] = [list, show, timeline, why, deadLetters, deadLetterGroups];
export const TaskView = task.schema;
