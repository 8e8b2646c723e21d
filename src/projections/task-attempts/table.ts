import type { Money } from '../../domain/money.ts';
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
  timestamptz,
  uuid,
} from '../define-table.ts';

/** `cancelled` and `abandoned`: the task ended (by cancellation or dead letter) while the attempt was under way. */
export const ATTEMPT_OUTCOMES = ['open', 'completed', 'failed', 'unknown', 'cancelled', 'abandoned'] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/** One row per attempt. An assignment that came after the task had ended makes no attempt. */
export const taskAttemptsTable = defineTable({
  name: 'task_attempts',
  columns: {
    tenant: tenant(),
    taskId: uuid(),
    attempt: integer(),
    pool: text(),
    capability: text(),
    agentId: nullable(text()),
    outcome: oneOf(ATTEMPT_OUTCOMES),
    assignedAt: nullable(timestamptz()),
    startedAt: nullable(timestamptz()),
    expiresAt: nullable(timestamptz()),
    endedAt: nullable(timestamptz()),
    durationMs: nullable(double()),
    error: nullable(json<AttemptError>()),
    cost: nullable(json<Money>()),
    /** Of its assignment, or of its end where it was never assigned. */
    position: bigint(),
    updatedPosition: bigint(),
  },
  key: ['tenant', 'taskId', 'attempt'],
  indexes: { agent: { on: ['tenant', 'agentId', 'position DESC'], where: 'agent_id IS NOT NULL' } },
});

export type TaskAttemptRow = RowOf<typeof taskAttemptsTable>;
