import { z } from 'zod';
import { previewCompensation } from '../../domain/execution/compensation-preview.ts';
import { type Running, statusOf } from '../../domain/execution/state.ts';
import { NOT_RUNNING_REASONS } from '../../domain/execution/why-not-running.ts';
import { ExecutionId, executionStream } from '../../domain/ids.ts';
import { text } from '../../domain/json.ts';
import { ok } from '../../domain/result.ts';
import { OBSTACLES } from '../../domain/routing/obstacles.ts';
import { AttemptError } from '../../domain/task/events.ts';
import { COMPENSATION_STRATEGIES, CompensationStrategy } from '../../domain/workflow/definition.ts';
import { notFound } from '../../platform/errors.ts';
import { ENDED_EXECUTION_STATUSES } from '../../processes/outcomes/execution-outcomes.ts';
import { countExecutions, type ExecutionFilter, listExecutions } from '../../projections/executions/queries.ts';
import { executionsTable, STARTED_STATUSES } from '../../projections/executions/table.ts';
import { previewText } from '../../wording/executions.ts';
import { type ExecutionEntry, executionTimeline } from '../reads/execution-timeline.ts';
import { type NotRunningEntry, notRunningIn } from '../reads/not-running.ts';
import { EXECUTION_TIMELINE_EVENTS } from '../reads/reads.ts';
import { EXECUTION, WORKFLOW } from './examples.ts';
import { ExecutionStatusView, executionStatusOf } from './execution-status.ts';
import { from, textOf, to } from './filters.ts';
import { listOf, several } from './list.ts';
import {
  AT_LEAST,
  AtLeastQuery,
  type Operation,
  operation,
  positionOf,
  type Requested,
  SUBJECT_REFUSALS,
} from './operation.ts';
import { TimelineEntry } from './tasks-read.ts';
import { viewOf } from './view.ts';

const list = listOf({
  path: '/executions',
  id: 'listExecutions',
  summary: 'List executions, newest start first',
  filter: {
    status: several(z.enum(STARTED_STATUSES), 'Any of them.'),
    workflow: textOf('Name of the workflow.'),
    version: textOf('Version of the workflow.'),
    tag: several(text({ min: 1, max: 100 }), 'All of them.'),
    parentExecutionId: textOf('Sub-workflows of this execution.'),
    forkedFrom: textOf('Forks of this execution.'),
    correlationId: textOf('Executions of one flow.'),
    text: textOf("Part of the workflow's name, a tag or the error's message; case does not matter."),
    startedFrom: from(),
    startedTo: to(),
  },
  filterOf: ({ status, tag, ...filter }) => ({ ...filter, statuses: status, tags: tag }) satisfies ExecutionFilter,
  item: viewOf(executionsTable, {
    hides: ['itemsExtra', 'compensationPosition', 'undos'],
    json: { error: AttemptError },
  }),
  list: listExecutions,
  count: countExecutions,
  example: { query: { workflow: WORKFLOW.name, status: ['executing'] } },
});

type AtLeast = { readonly atLeast?: string | undefined };

/** The execution, folded from its stream; up to what `atLeast` asks for. */
const load = async ({ commands, caller, target, query, seen }: Requested<AtLeast>): Promise<Running> => {
  const executionId = target.toLowerCase();
  if (!ExecutionId.safeParse(executionId).success) throw notFound('execution', JSON.stringify(target));
  const fresh = (positionOf(query) ?? 0n) > seen();
  const execution = await commands.executions.load(executionStream(caller.tenant, executionId), { fresh });
  if (execution.status === 'none') throw notFound('execution', target);
  return execution;
};

const STANDS: ReadonlySet<string> = new Set(ENDED_EXECUTION_STATUSES);

/** The execution as it is when nothing more happens by itself, or when the client's patience has ended. */
const awaited = async (request: Requested<AtLeast>): Promise<Running> => {
  const execution = await load(request);
  const { patience, caller, waits, commands } = request;
  if (patience.ms === 0 || STANDS.has(statusOf(execution))) return execution;
  const { executionId } = execution;
  const known = ok({ id: executionId, position: 0n, repeated: true });
  await waits.execution(caller.tenant, patience, async () => known);
  const now = await commands.executions.load(executionStream(caller.tenant, executionId), { fresh: true });
  return now.status === 'none' ? execution : now;
};

const status = operation({
  method: 'get',
  path: '/executions/{id}',
  alsoAt: '/workflows/{id}/status',
  id: 'executionStatus',
  summary: 'Status of an execution',
  description: 'Read from the execution’s own stream, not from a read model.',
  target: ExecutionId,
  query: z.strictObject({
    payloads: z
      .enum(['true', 'false'])
      .optional()
      .meta({ description: 'With `true`, the inputs and outputs of steps, as far as each is small.' }),
    ...AT_LEAST,
  }),
  waits: { done: 'The execution' },
  success: { status: 200, description: 'The execution', schema: ExecutionStatusView },
  refusals: SUBJECT_REFUSALS,
  example: { target: EXECUTION, query: { payloads: 'true' } },
  async run(request) {
    const payloads = request.query.payloads === 'true';
    return { body: executionStatusOf(await awaited(request), request.commands.clock.now(), { payloads }) };
  },
});

const ExecutionTimeline = z.strictObject({
  items: z.array(TimelineEntry.partial({ taskId: true }).extend({ unit: z.string().optional() })),
});

const entryOf = ({ position, ...entry }: ExecutionEntry) => ({ ...withoutNulls(entry), position: String(position) });

const withoutNulls = (entry: object): object =>
  Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== null));

const timeline = operation({
  method: 'get',
  path: '/executions/{id}/timeline',
  id: 'executionTimeline',
  summary: `What happened to an execution, in the order of the log; the newest ${EXECUTION_TIMELINE_EVENTS}`,
  target: ExecutionId,
  query: AtLeastQuery,
  success: { status: 200, description: 'Its events', schema: ExecutionTimeline },
  refusals: SUBJECT_REFUSALS,
  example: { target: EXECUTION },
  async run(request) {
    request.reads.atLeast(positionOf(request.query));
    const { executionId } = await load(request);
    return { body: { items: (await executionTimeline({ executionId }, request)).map(entryOf) } };
  },
});

const NotRunning = z.strictObject({
  unit: z.string().meta({ description: 'A step, or `~` and the compensated unit.' }),
  reason: z.enum(NOT_RUNNING_REASONS),
  obstacle: z.enum(OBSTACLES).meta({ description: 'What kind of reason it is: of several the first in this order.' }),
  message: z.string(),
  unblock: z.string().meta({ description: 'The least that would have to change.' }),
  dependencies: z.array(z.string()),
  until: z.iso.datetime().optional(),
  name: z.string().optional().meta({ description: 'Of the event or the decision.' }),
  options: z.array(z.string()),
  childExecutionId: ExecutionId.optional(),
  taskId: z.uuid().optional(),
} satisfies { [Name in keyof NotRunningEntry]: z.ZodType });

const why = operation({
  method: 'get',
  path: '/executions/{id}/why',
  id: 'explainExecution',
  summary: 'Why steps do not run',
  description: 'Each step and compensation that has not ended and is not held by an agent, at most 1,000.',
  target: ExecutionId,
  query: AtLeastQuery,
  success: { status: 200, description: 'What each waits for', schema: z.strictObject({ items: z.array(NotRunning) }) },
  refusals: SUBJECT_REFUSALS,
  example: { target: EXECUTION },
  async run(request) {
    request.reads.atLeast(positionOf(request.query));
    return { body: { items: (await notRunningIn(await load(request), request)).map(withoutNulls) } };
  },
});

const Preview = z.strictObject({
  strategy: z.enum(COMPENSATION_STRATEGIES),
  undos: z.array(z.strictObject({ unit: z.string(), after: z.array(z.string()) })),
  mayBeOwed: z.array(z.string()),
  message: z.string(),
});

const preview = operation({
  method: 'get',
  path: '/executions/{id}/preview',
  id: 'previewCompensation',
  summary: 'Which compensations an abort would run now, and in which order',
  target: ExecutionId,
  query: z.strictObject({
    strategy: CompensationStrategy.optional().meta({ description: 'The strategy of the definition when absent.' }),
    ...AT_LEAST,
  }),
  success: { status: 200, description: 'The plan', schema: Preview },
  refusals: SUBJECT_REFUSALS,
  example: { target: EXECUTION },
  async run(request) {
    const planned = previewCompensation(await load(request), request.query.strategy);
    const { strategy, undos, mayBeOwed } = planned;
    return { body: { strategy, undos, mayBeOwed, message: previewText(planned) } };
  },
});

export const EXECUTION_QUERIES: readonly Operation[] = [list, status, timeline, why, preview];
