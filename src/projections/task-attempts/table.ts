import type { Money } from '../../domain/money.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import { defineTable } from '../projector.ts';

/** `cancelled` and `abandoned`: the task ended (by cancellation or dead letter) while the attempt was under way. */
export const ATTEMPT_OUTCOMES = ['open', 'completed', 'failed', 'unknown', 'cancelled', 'abandoned'] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/** One try of a task. An assignment that came after the task had ended makes no attempt. */
export type TaskAttemptRow = {
  tenant: string;
  taskId: string;
  attempt: number;
  pool: string;
  capability: string;
  agentId: string | null;
  outcome: AttemptOutcome;
  assignedAt: string | null;
  startedAt: string | null;
  expiresAt: string | null;
  endedAt: string | null;
  durationMs: number | null;
  error: AttemptError | null;
  cost: Money | null;
  /** Of its assignment, or of its end where it was never assigned. */
  position: bigint;
  updatedPosition: bigint;
};

export const taskAttemptsTable = defineTable<TaskAttemptRow>()({
  name: 'task_attempts',
  key: ['tenant', 'taskId', 'attempt'],
  columns: {
    tenant: 'text',
    taskId: 'uuid',
    attempt: 'integer',
    pool: 'text',
    capability: 'text',
    agentId: 'text',
    outcome: 'text',
    assignedAt: 'timestamptz',
    startedAt: 'timestamptz',
    expiresAt: 'timestamptz',
    endedAt: 'timestamptz',
    durationMs: 'double precision',
    error: 'jsonb',
    cost: 'jsonb',
    position: 'bigint',
    updatedPosition: 'bigint',
  },
});
