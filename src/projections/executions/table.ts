import { COMPENSATION_STATES, type CompensationState } from '../../domain/execution/compensation-state.ts';
import { type Abort, EXECUTION_STATUSES, type ExecutionStatus } from '../../domain/execution/state.ts';
import type { Json } from '../../domain/json.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import { COMPENSATION_STRATEGIES } from '../../domain/workflow/definition.ts';
import {
  bigint,
  defineTable,
  double,
  integer,
  json,
  nullable,
  oneOf,
  type RowOf,
  tenant,
  text,
  texts,
  timestamptz,
  uuid,
} from '../define-table.ts';

/** What an execution that was started can be. */
export type StartedStatus = Exclude<ExecutionStatus, 'planning'>;
export const STARTED_STATUSES = EXECUTION_STATUSES.filter((status): status is StartedStatus => status !== 'planning');

/** Compensations under way: the task of each that was started, and the units whose compensation is parked. */
export type OpenCompensations = {
  readonly running: Readonly<Record<string, string>>;
  readonly parked: readonly string[];
};

/**
 * Executions of workflows.
 *
 * What counts as a step: each task of the definition once, but a task that runs for each item of a list counts as its items, from the
 * moment the list is known. Not counted: compensations, steps with an unknown outcome, steps that were cancelled. When an execution is
 * retried, its failures are counted from zero again. For exact figures per step `execution.steps` of the API folds the stream.
 */
export const executionsTable = defineTable({
  name: 'executions',
  columns: {
    tenant: tenant(),
    executionId: uuid(),
    workflow: text(),
    version: text(),
    digest: text(),
    status: oneOf(STARTED_STATUSES),
    /** The status without `paused`: what a paused execution returns to. */
    phase: text<Exclude<StartedStatus, 'paused'>>(),
    /** Null unless it is paused now. */
    pausedAt: nullable(timestamptz()),
    pauseReason: nullable(text()),
    /** Why it ends, or ended, early. */
    abortReason: nullable(text<Abort['reason']>()),
    cancelReason: nullable(text()),
    tags: texts(),
    parentExecutionId: nullable(uuid()),
    /** The step of the parent that runs this execution as its sub-workflow. */
    parentStep: nullable(text()),
    forkedFrom: nullable(uuid()),
    /** Revision of the last event that the fork takes over from that execution. */
    forkedRevision: nullable(integer()),
    startedAt: timestamptz(),
    updatedAt: timestamptz(),
    endedAt: nullable(timestamptz()),
    deadlineAt: nullable(timestamptz()),
    stepsTotal: integer(),
    stepsCompleted: integer(),
    stepsFailed: integer(),
    stepsSkipped: integer(),
    /** The part of `stepsTotal` that comes from lists: items beyond one per step. */
    itemsExtra: integer(),
    error: nullable(json<AttemptError>()),
    /** Set when it has ended: the sum of the following three. */
    durationMs: nullable(double()),
    agentMs: nullable(double()),
    waitMs: nullable(double()),
    overheadMs: nullable(double()),
    compensationStrategy: nullable(oneOf(COMPENSATION_STRATEGIES)),
    compensationPosition: nullable(bigint()),
    /** Compensations that are neither completed nor skipped. */
    debtsOpen: integer(),
    /** The part of `debtsOpen` that is parked. */
    debtsParked: integer(),
    /** Null unless it compensates. */
    undos: nullable(json<OpenCompensations>()),
    /** Who started it. */
    actor: text(),
    correlationId: text(),
    /** Of its start: "newest first" is the order of this. */
    position: bigint(),
    updatedPosition: bigint(),
  },
  key: ['tenant', 'executionId'],
  indexes: {
    newest: { on: ['tenant', 'position DESC'] },
    // Few executions are in these states at a time; completed ones are found through `newest`.
    notCompleted: { on: ['tenant', 'status', 'position DESC'], where: "status <> 'completed'" },
    workflow: { on: ['tenant', 'workflow', 'position DESC'] },
    parent: { on: ['tenant', 'parentExecutionId'], where: 'parent_execution_id IS NOT NULL' },
    forked: { on: ['tenant', 'forkedFrom'], where: 'forked_from IS NOT NULL' },
    tags: { using: 'gin', on: ['tags'], where: "tags <> '{}'" },
  },
});

export type ExecutionRow = RowOf<typeof executionsTable>;

const EXECUTION_PAYLOAD_KINDS = ['input', 'output'] as const;
export type ExecutionPayloadKind = (typeof EXECUTION_PAYLOAD_KINDS)[number];

/** What an execution received and returned. A table of its own, so that a step that ends does not rewrite up to 256 KiB. */
export const executionPayloadsTable = defineTable({
  name: 'execution_payloads',
  columns: {
    tenant: tenant(),
    executionId: uuid(),
    kind: oneOf(EXECUTION_PAYLOAD_KINDS),
    payload: nullable(json<Json>()),
    position: bigint(),
  },
  key: ['tenant', 'executionId', 'kind'],
});

export type ExecutionPayloadRow = RowOf<typeof executionPayloadsTable>;

/** Statuses from which only a person can close a compensation. */
export const PARKED_STATUSES = ['parked', 'handed_over'] as const satisfies readonly CompensationState[];

/** Compensations of executions, from the moment the execution began to compensate. */
export const compensationDebtsTable = defineTable({
  name: 'compensation_debts',
  columns: {
    tenant: tenant(),
    executionId: uuid(),
    /** What is compensated: a step, or an item of one. */
    unit: text(),
    workflow: text(),
    strategy: text(),
    status: oneOf(COMPENSATION_STATES),
    /** The task that compensates it. */
    taskId: nullable(uuid()),
    /** The person who took it on; null again once the compensation completed. */
    handedOverTo: nullable(text()),
    note: nullable(text()),
    /** Why it was parked last. */
    error: nullable(json<AttemptError>()),
    /** Why it was skipped. */
    reason: nullable(text()),
    parkedAt: nullable(timestamptz()),
    closedAt: nullable(timestamptz()),
    /** Of the start of the compensation, shared by all rows of the execution. */
    position: bigint(),
    updatedPosition: bigint(),
  },
  key: ['tenant', 'executionId', 'unit'],
  indexes: { newest: { on: ['tenant', 'status', 'position DESC'] } },
});

export type CompensationRow = RowOf<typeof compensationDebtsTable>;
