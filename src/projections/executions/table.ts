import { type Abort, EXECUTION_STATUSES, type ExecutionStatus } from '../../domain/execution/state.ts';
import type { Json } from '../../domain/json.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import type { CompensationStrategy } from '../../domain/workflow/definition.ts';
import { defineTable } from '../projector.ts';

/** What an execution that was started can be. */
export type StartedStatus = Exclude<ExecutionStatus, 'planning'>;
export const STARTED_STATUSES = EXECUTION_STATUSES.filter((status): status is StartedStatus => status !== 'planning');

/** Undos of an execution that compensates: the task of each that was started, and the units that wait at the desk. */
export type Undos = { readonly running: Readonly<Record<string, string>>; readonly parked: readonly string[] };

/**
 * One execution of a workflow.
 *
 * What counts as a step: each task of the definition once, but one that runs for each item of a list as its items, from the moment the
 * list is known. Undos do not count, nor does a step whose outcome nobody knows, nor one that was called off. An execution that is
 * retried counts its failures anew. Exact per step is `execution.steps` of the API, which folds the stream.
 */
export type ExecutionRow = {
  tenant: string;
  executionId: string;
  workflow: string;
  version: string;
  digest: string;
  status: StartedStatus;
  /** The status without `paused`: what it comes back to. */
  phase: Exclude<StartedStatus, 'paused'>;
  /** While it is paused. */
  pausedAt: string | null;
  pauseReason: string | null;
  /** Why it ends, or ended, before its time. */
  abortReason: Abort['reason'] | null;
  cancelReason: string | null;
  tags: readonly string[];
  parentExecutionId: string | null;
  /** Step of the parent that this is the sub-workflow of. */
  parentStep: string | null;
  forkedFrom: string | null;
  /** Revision of the last event of that execution that counts. */
  forkedRevision: number | null;
  startedAt: string;
  updatedAt: string;
  endedAt: string | null;
  deadlineAt: string | null;
  stepsTotal: number;
  stepsCompleted: number;
  stepsFailed: number;
  stepsSkipped: number;
  /** Of `stepsTotal`, what is there because of lists. */
  itemsExtra: number;
  error: AttemptError | null;
  /** Once it has ended; agents, waits and the rest add up to it. */
  durationMs: number | null;
  agentMs: number | null;
  waitMs: number | null;
  overheadMs: number | null;
  compensationStrategy: CompensationStrategy | null;
  compensationPosition: bigint | null;
  /** Undos that are neither done nor taken on by a person. */
  debtsOpen: number;
  /** Of these, how many wait at the desk. */
  debtsParked: number;
  undos: Undos | null;
  /** Who started it. */
  actor: string;
  correlationId: string;
  /** Of its start: the order "newest first" is by this. */
  position: bigint;
  updatedPosition: bigint;
};

export const executionsTable = defineTable<ExecutionRow>()({
  name: 'executions',
  key: ['tenant', 'executionId'],
  columns: {
    tenant: 'text',
    executionId: 'uuid',
    workflow: 'text',
    version: 'text',
    digest: 'text',
    status: 'text',
    phase: 'text',
    pausedAt: 'timestamptz',
    pauseReason: 'text',
    abortReason: 'text',
    cancelReason: 'text',
    tags: 'text[]',
    parentExecutionId: 'uuid',
    parentStep: 'text',
    forkedFrom: 'uuid',
    forkedRevision: 'integer',
    startedAt: 'timestamptz',
    updatedAt: 'timestamptz',
    endedAt: 'timestamptz',
    deadlineAt: 'timestamptz',
    stepsTotal: 'integer',
    stepsCompleted: 'integer',
    stepsFailed: 'integer',
    stepsSkipped: 'integer',
    itemsExtra: 'integer',
    error: 'jsonb',
    durationMs: 'double precision',
    agentMs: 'double precision',
    waitMs: 'double precision',
    overheadMs: 'double precision',
    compensationStrategy: 'text',
    compensationPosition: 'bigint',
    debtsOpen: 'integer',
    debtsParked: 'integer',
    undos: 'jsonb',
    actor: 'text',
    correlationId: 'text',
    position: 'bigint',
    updatedPosition: 'bigint',
  },
});

export type ExecutionPayloadKind = 'input' | 'output';

/** What an execution was given and what it gave, apart from it: a step that ends need not rewrite them. */
export type ExecutionPayloadRow = {
  tenant: string;
  executionId: string;
  kind: ExecutionPayloadKind;
  payload: Json;
  position: bigint;
};

export const executionPayloadsTable = defineTable<ExecutionPayloadRow>()({
  name: 'execution_payloads',
  key: ['tenant', 'executionId', 'kind'],
  columns: { tenant: 'text', executionId: 'uuid', kind: 'text', payload: 'jsonb', position: 'bigint' },
});

/** `parked` has failed for good and waits for a person; `handed_over`: somebody is to see to it, it is still owed. */
export const DEBT_STATUSES = ['owed', 'running', 'parked', 'handed_over', 'completed', 'skipped'] as const;
export type DebtStatus = (typeof DEBT_STATUSES)[number];

/** Debts that only a person can close. */
export const DESK_STATUSES = ['parked', 'handed_over'] as const satisfies readonly DebtStatus[];

/** An undo that an execution owes, or owed. */
export type DebtRow = {
  tenant: string;
  executionId: string;
  /** What is undone: a step, or an item of one. */
  unit: string;
  workflow: string;
  strategy: string;
  status: DebtStatus;
  /** The task that undoes it. */
  taskId: string | null;
  /** Who was to see to it; null again once the undo went through. */
  handedOverTo: string | null;
  note: string | null;
  /** Why it was parked last. */
  error: AttemptError | null;
  /** Why it was skipped. */
  reason: string | null;
  parkedAt: string | null;
  closedAt: string | null;
  /** Of the beginning of the compensation, shared by all debts of the execution. */
  position: bigint;
  updatedPosition: bigint;
};

export const compensationDebtsTable = defineTable<DebtRow>()({
  name: 'compensation_debts',
  key: ['tenant', 'executionId', 'unit'],
  columns: {
    tenant: 'text',
    executionId: 'uuid',
    unit: 'text',
    workflow: 'text',
    strategy: 'text',
    status: 'text',
    taskId: 'uuid',
    handedOverTo: 'text',
    note: 'text',
    error: 'jsonb',
    reason: 'text',
    parkedAt: 'timestamptz',
    closedAt: 'timestamptz',
    position: 'bigint',
    updatedPosition: 'bigint',
  },
});
