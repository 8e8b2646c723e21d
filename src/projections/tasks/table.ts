import type { Json } from '../../domain/json.ts';
import type { RetryPolicy } from '../../domain/retry.ts';
import type { AttemptError } from '../../domain/task/events.ts';
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

/**
 * `blocked` waits for other tasks; `ready` waits for an agent (not before `retryAt`); `indeterminate` waits for a person or a late answer. A task without a result ends as
 * `dead_lettered`, or as `failed` when an execution runs it: what follows is then up to the execution.
 */
export const TASK_STATUSES = [
  'blocked',
  'ready',
  'assigned',
  'completed',
  'failed',
  'cancelled',
  'dead_lettered',
  'indeterminate',
] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

export const tasksTable = defineTable({
  name: 'tasks',
  columns: {
    tenant: tenant(),
    taskId: uuid(),
    pool: text(),
    capability: text(),
    versionRange: nullable(text()),
    /** 1 critical … 5 background. */
    priority: integer(),
    strategy: text(),
    retry: json<RetryPolicy>(),
    /** Whole, and may exceed 32 bits. */
    timeoutMs: double(),
    tags: texts(),
    status: oneOf(TASK_STATUSES),
    /** The attempt that may run now, or that ended the task. */
    attempt: integer(),
    /** Attempts that failed, over all retry budgets. */
    failures: integer(),
    redrives: integer(),
    /** Of the current assignment, or of the attempt that ended the task. */
    agentId: nullable(text()),
    submittedAt: timestamptz(),
    deadlineAt: nullable(timestamptz()),
    /** Ready, but not before this. */
    retryAt: nullable(timestamptz()),
    assignedAt: nullable(timestamptz()),
    assignedPosition: nullable(bigint()),
    /** Only for agents that are called at most once. */
    startedAt: nullable(timestamptz()),
    /** The present attempt is given up when it has not closed by then. */
    expiresAt: nullable(timestamptz()),
    endedAt: nullable(timestamptz()),
    /** Wall time of the call that completed it. */
    durationMs: nullable(double()),
    percent: nullable(double()),
    progressMessage: nullable(text()),
    /** Of the last attempt that did not complete. */
    error: nullable(json<AttemptError>()),
    /** Currency to micros, over all attempts. */
    cost: json<Readonly<Record<string, number>>>(),
    cancelReason: nullable(text()),
    deadLetterReason: nullable(text()),
    deadLetterAttempts: nullable(integer()),
    deadLetteredAt: nullable(timestamptz()),
    deadLetterPosition: nullable(bigint()),
    /** Who submitted it. */
    actor: text(),
    correlationId: text(),
    /** Of its submission: "newest first" is the order of this. */
    position: bigint(),
    updatedPosition: bigint(),
    /** The execution that runs it. */
    executionId: nullable(uuid()),
    /** Its unit in that execution: `collect`, `resize[3]`, `~collect`. */
    unit: nullable(text()),
    /** How much work it is, where its submitter said so. */
    complexity: nullable(double()),
    /** Tasks that must complete first. */
    dependsOn: texts(),
    /** The rule that decided how it is routed, as it was when the task was submitted. */
    ruleName: nullable(text()),
    ruleVersion: nullable(integer()),
    ruleVariant: nullable(text()),
  },
  key: ['tenant', 'taskId'],
  indexes: {
    newest: { on: ['tenant', 'position DESC'] },
    // Few tasks are in these states at a time; completed ones are found through `newest`.
    notCompleted: { on: ['tenant', 'status', 'position DESC'], where: "status <> 'completed'" },
    capability: { on: ['tenant', 'capability', 'position DESC'] },
    agent: { on: ['tenant', 'agentId', 'position DESC'], where: 'agent_id IS NOT NULL' },
    tags: { using: 'gin', on: ['tags'], where: "tags <> '{}'" },
    execution: { on: ['tenant', 'executionId', 'position DESC'], where: 'execution_id IS NOT NULL' },
    rule: { on: ['tenant', 'ruleName'], where: 'rule_name IS NOT NULL' },
  },
});

export type TaskRow = RowOf<typeof tasksTable>;

const PAYLOAD_KINDS = ['input', 'result', 'checkpoint'] as const;
export type PayloadKind = (typeof PAYLOAD_KINDS)[number];

/** What a task received and returned. A table of its own, so that a change of status does not rewrite up to 256 KiB. */
export const taskPayloadsTable = defineTable({
  name: 'task_payloads',
  columns: {
    tenant: tenant(),
    taskId: uuid(),
    kind: oneOf(PAYLOAD_KINDS),
    payload: nullable(json<Json>()),
    position: bigint(),
  },
  key: ['tenant', 'taskId', 'kind'],
});

export type TaskPayloadRow = RowOf<typeof taskPayloadsTable>;
