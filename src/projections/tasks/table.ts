import type { Json } from '../../domain/json.ts';
import type { RetryPolicy } from '../../domain/retry.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import { defineTable } from '../projector.ts';

/**
 * `ready` waits for an agent (not before `retryAt`); `indeterminate` waits for a person or a late answer. A task that gave no result ends
 * as `dead_lettered`, one that an execution runs as `failed`: what follows is then the execution's business.
 */
export const TASK_STATUSES = [
  'ready',
  'assigned',
  'completed',
  'failed',
  'cancelled',
  'dead_lettered',
  'indeterminate',
] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

export type TaskRow = {
  tenant: string;
  taskId: string;
  pool: string;
  capability: string;
  versionRange: string | null;
  /** 1 critical … 5 background. */
  priority: number;
  strategy: string;
  retry: RetryPolicy;
  /** Whole, and may exceed 32 bits. */
  timeoutMs: number;
  tags: readonly string[];
  status: TaskStatus;
  /** The attempt that may run now, or that ended the task. */
  attempt: number;
  /** Attempts that failed, over all retry budgets. */
  failures: number;
  redrives: number;
  /** Of the assignment that holds, or of the attempt that ended the task. */
  agentId: string | null;
  submittedAt: string;
  deadlineAt: string | null;
  retryAt: string | null;
  assignedAt: string | null;
  assignedPosition: bigint | null;
  /** Only agents that are called at most once. */
  startedAt: string | null;
  /** The present attempt is given up when it has not closed by then. */
  expiresAt: string | null;
  endedAt: string | null;
  /** Wall time of the call that completed it. */
  durationMs: number | null;
  percent: number | null;
  progressMessage: string | null;
  /** Of the last attempt that did not complete. */
  error: AttemptError | null;
  /** Currency to micros, over all attempts. */
  cost: Readonly<Record<string, number>>;
  cancelReason: string | null;
  deadLetterReason: string | null;
  deadLetterAttempts: number | null;
  deadLetteredAt: string | null;
  deadLetterPosition: bigint | null;
  /** Who submitted it. */
  actor: string;
  correlationId: string;
  /** The execution that runs it. */
  executionId: string | null;
  /** What it is for in that execution: `collect`, `resize[3]`, `~collect`. */
  unit: string | null;
  /** Of its submission: the order "newest first" is by this. */
  position: bigint;
  updatedPosition: bigint;
};

export const tasksTable = defineTable<TaskRow>()({
  name: 'tasks',
  key: ['tenant', 'taskId'],
  columns: {
    tenant: 'text',
    taskId: 'uuid',
    pool: 'text',
    capability: 'text',
    versionRange: 'text',
    priority: 'integer',
    strategy: 'text',
    retry: 'jsonb',
    timeoutMs: 'double precision',
    tags: 'text[]',
    status: 'text',
    attempt: 'integer',
    failures: 'integer',
    redrives: 'integer',
    agentId: 'text',
    submittedAt: 'timestamptz',
    deadlineAt: 'timestamptz',
    retryAt: 'timestamptz',
    assignedAt: 'timestamptz',
    assignedPosition: 'bigint',
    startedAt: 'timestamptz',
    expiresAt: 'timestamptz',
    endedAt: 'timestamptz',
    durationMs: 'double precision',
    percent: 'double precision',
    progressMessage: 'text',
    error: 'jsonb',
    cost: 'jsonb',
    cancelReason: 'text',
    deadLetterReason: 'text',
    deadLetterAttempts: 'integer',
    deadLetteredAt: 'timestamptz',
    deadLetterPosition: 'bigint',
    actor: 'text',
    correlationId: 'text',
    executionId: 'uuid',
    unit: 'text',
    position: 'bigint',
    updatedPosition: 'bigint',
  },
});

export type PayloadKind = 'input' | 'result' | 'checkpoint';

/** What a task was given and what it gave, apart from the task: a change of status need not rewrite it. */
export type TaskPayloadRow = { tenant: string; taskId: string; kind: PayloadKind; payload: Json; position: bigint };

export const taskPayloadsTable = defineTable<TaskPayloadRow>()({
  name: 'task_payloads',
  key: ['tenant', 'taskId', 'kind'],
  columns: { tenant: 'text', taskId: 'uuid', kind: 'text', payload: 'jsonb', position: 'bigint' },
});
