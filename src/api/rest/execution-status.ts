import { z } from 'zod';
import { COMPENSATION_STATES, compensationStateOf } from '../../domain/execution/compensation-state.ts';
import { decisionOf, PersonalDecision } from '../../domain/execution/decided.ts';
import { TimeSpent, WAIT_KINDS, WorkflowRef } from '../../domain/execution/events.ts';
import {
  EXECUTION_STATUSES,
  type Running,
  STEP_PHASES,
  type StepPhase,
  type StepState,
  statusOf,
} from '../../domain/execution/state.ts';
import {
  inputOf,
  itemCountsOf,
  outputOf,
  SHOWN_PAYLOAD_BYTES,
  type StepView,
  stepsOf,
  taskIdOf,
} from '../../domain/execution/steps.ts';
import { timeSpent } from '../../domain/execution/time-spent.ts';
import { COMPENSATION_STATUSES, type UnitCompensation } from '../../domain/execution/unit-state.ts';
import { AgentId, ExecutionId } from '../../domain/ids.ts';
import { instantOf } from '../../domain/instant.ts';
import { BuiltPayload, byteLengthOf } from '../../domain/json.ts';
import { AttemptError } from '../../domain/task/events.ts';
import { attemptsMade } from '../../domain/task/state.ts';
import { COMPENSATION_STRATEGIES } from '../../domain/workflow/definition.ts';

const Instant = z.iso.datetime();
const Count = z.int().min(0);

/** Inputs and outputs of one answer, together. */
export const SHOWN_PAYLOADS_BYTES = 1024 * 1024;

const StepStatus = z.strictObject({
  id: z.string(),
  kind: z.enum(['agent', 'workflow', 'wait', 'delay']),
  status: z.enum(STEP_PHASES),
  attempt: z.int().min(1).optional().meta({ description: 'The attempt that may run now, or the last one.' }),
  agentId: AgentId.optional(),
  taskId: z.uuid().optional(),
  error: AttemptError.optional(),
  items: z
    .strictObject({ total: Count, ended: Count, failed: Count })
    .optional()
    .meta({ description: 'Of a step that runs for each item of a list.' }),
  waiting: z
    .strictObject({
      kind: z.enum(WAIT_KINDS),
      name: z.string().optional(),
      options: z.array(z.string()).optional(),
      dueAt: Instant.optional(),
      childId: ExecutionId.optional(),
      since: Instant,
    })
    .optional(),
  decision: PersonalDecision.optional().meta({ description: 'What a person decided.' }),
  input: BuiltPayload.optional().meta({
    description: `With \`payloads=true\`, when it has at most ${SHOWN_PAYLOAD_BYTES} bytes, and all before it in the answer at most ${SHOWN_PAYLOADS_BYTES}.`,
  }),
  inputBytes: Count.optional(),
  output: BuiltPayload.optional().meta({ description: 'As `input`.' }),
  outputBytes: Count.optional(),
  reused: z.boolean().meta({ description: 'Its outcome was copied from the execution that this one was forked from.' }),
  endedAt: Instant.optional(),
});

const DebtStatus = z.strictObject({
  unit: z.string().meta({ description: 'What is compensated: a step, or an item of one.' }),
  state: z
    .enum(COMPENSATION_STATES)
    .meta({ description: 'State of the compensation, in the same words as in GraphQL.' }),
  status: z.enum(COMPENSATION_STATUSES).meta({
    deprecated: true,
    description: 'Use `state`. `pending` is `owed`, `open` is `running`; `parked` does not tell `handed_over` apart.',
  }),
  after: z.array(z.string()),
  handedOverTo: z.string().optional(),
  error: AttemptError.optional(),
});

/** An execution, read from its stream. */
export const ExecutionStatusView = z.strictObject({
  executionId: ExecutionId,
  status: z.enum(EXECUTION_STATUSES),
  phase: z
    .enum(EXECUTION_STATUSES)
    .exclude(['planning', 'paused'])
    .meta({ description: 'The status without `paused`: what it returns to when resumed.' }),
  workflow: WorkflowRef,
  tags: z.array(z.string()),
  startedAt: Instant,
  endedAt: Instant.optional(),
  deadlineAt: Instant.optional(),
  parent: z.strictObject({ executionId: ExecutionId, unit: z.string() }).optional(),
  forkedFrom: z.strictObject({ executionId: ExecutionId, revision: Count }).optional(),
  progress: z.strictObject({
    total: Count,
    ended: Count,
    percent: z.number().min(0).max(100),
    byStatus: z.strictObject(
      Object.fromEntries(STEP_PHASES.map((phase) => [phase, Count])) as Record<StepPhase, typeof Count>,
    ),
  }),
  steps: z.array(StepStatus),
  timeSpent: TimeSpent,
  output: BuiltPayload,
  error: AttemptError.optional(),
  compensation: z
    .strictObject({ strategy: z.enum(COMPENSATION_STRATEGIES), debts: z.array(DebtStatus) })
    .optional()
    .meta({ description: 'What is owed after a failure or a cancellation, in the order of the plan.' }),
});
export type ExecutionStatusView = z.output<typeof ExecutionStatusView>;

const instant = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : instantOf(ms));
/** A member of this name, unless there is no value. */
const some = <Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } =>
  value === undefined ? {} : ({ [name]: value } as { [Key in Name]: Value });

const waitingOf = ({ waiting }: StepState): z.output<typeof StepStatus>['waiting'] =>
  waiting && {
    kind: waiting.kind,
    ...some('name', waiting.name),
    ...some('options', waiting.options && [...waiting.options]),
    ...some('dueAt', instant(waiting.dueMs)),
    ...some('childId', waiting.childId),
    since: instantOf(waiting.sinceMs),
  };

const itemsOf = ({ state }: StepView): z.output<typeof StepStatus>['items'] => {
  const counts = itemCountsOf(state);
  return counts && { total: counts.total, ended: counts.ended, failed: counts.failed };
};

/** What payloads of an answer may still be shown. */
type Allowance = { bytes: number };

const isShown = (bytes: number, allowance: Allowance): boolean => {
  if (bytes > SHOWN_PAYLOAD_BYTES || bytes > allowance.bytes) return false;
  allowance.bytes -= bytes;
  return true;
};

/** What went in and came out, as far as it is small, and how large each is. */
const payloadsOf = (view: StepView, allowance: Allowance): Partial<z.output<typeof StepStatus>> => {
  const sizes = { input: inputOf(view), output: outputOf(view) };
  return Object.fromEntries(
    Object.entries(sizes).flatMap(([name, value]) => {
      if (value === undefined) return [];
      const bytes = byteLengthOf(value);
      return [[`${name}Bytes`, bytes], ...(isShown(bytes, allowance) ? [[name, value]] : [])];
    }),
  );
};

const stepStatus = (view: StepView, allowance: Allowance | undefined): z.output<typeof StepStatus> => {
  const { step, state } = view;
  return {
    id: step.id,
    kind: step.kind,
    status: state.phase,
    ...some('attempt', state.unit.task && attemptsMade(state.unit.task)),
    ...some('agentId', state.unit.agentId),
    ...some('taskId', taskIdOf(view)),
    ...some('error', state.unit.error),
    ...some('items', itemsOf(view)),
    ...some('waiting', waitingOf(state)),
    ...some('decision', decisionOf(view)),
    ...(allowance ? payloadsOf(view, allowance) : {}),
    reused: state.reused,
    ...some('endedAt', instant(state.endedMs)),
  };
};

const debtStatus = (compensation: UnitCompensation): z.output<typeof DebtStatus> => {
  const { unit, status, after, handedOverTo, state } = compensation;
  return {
    unit,
    state: compensationStateOf(compensation),
    status,
    after: [...after],
    ...some('handedOverTo', handedOverTo),
    ...some('error', state.error),
  };
};

const UNENDED: ReadonlySet<StepPhase> = new Set(['pending', 'open', 'waiting']);

const progressOf = (steps: readonly { readonly status: StepPhase }[]): ExecutionStatusView['progress'] => {
  const byStatus = Object.fromEntries(STEP_PHASES.map((phase) => [phase, 0])) as Record<StepPhase, number>;
  for (const { status } of steps) byStatus[status] += 1;
  const ended = steps.filter(({ status }) => !UNENDED.has(status)).length;
  return { total: steps.length, ended, percent: Math.floor((ended / steps.length) * 1_000) / 10, byStatus };
};

export const executionStatusOf = (
  execution: Running,
  nowMs: number,
  { payloads = false }: { readonly payloads?: boolean } = {},
): ExecutionStatusView => {
  const { executionId, workflow, tags, startedMs, endedMs, deadlineMs, compensation } = execution;
  const allowance = payloads ? { bytes: SHOWN_PAYLOADS_BYTES } : undefined;
  const steps = stepsOf(execution).map((view) => stepStatus(view, allowance));
  return {
    executionId,
    status: statusOf(execution),
    phase: execution.status,
    workflow,
    tags: [...tags],
    startedAt: instantOf(startedMs),
    ...some('endedAt', instant(endedMs)),
    ...some('deadlineAt', instant(deadlineMs)),
    ...some('parent', execution.parent),
    ...some('forkedFrom', execution.forkedFrom),
    progress: progressOf(steps),
    steps,
    timeSpent: timeSpent(execution, endedMs ?? nowMs),
    output: execution.output,
    ...some('error', execution.error),
    ...some(
      'compensation',
      compensation && { strategy: compensation.strategy, debts: [...compensation.units.values()].map(debtStatus) },
    ),
  };
};
