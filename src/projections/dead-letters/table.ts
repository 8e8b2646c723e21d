import type { AttemptError } from '../../domain/task/events.ts';
import { defineTable } from '../projector.ts';

export const DEAD_LETTER_STATUSES = ['open', 'redriven', 'cancelled'] as const;
export type DeadLetterStatus = (typeof DEAD_LETTER_STATUSES)[number];

/** The last dead letter of a task. */
export type DeadLetterRow = {
  tenant: string;
  taskId: string;
  pool: string;
  capability: string;
  /** Of the last attempt. */
  agentId: string | null;
  status: DeadLetterStatus;
  reason: string;
  /** Attempts closed by then. */
  attempts: number;
  error: AttemptError;
  errorCode: string;
  deadLetteredAt: string;
  closedAt: string | null;
  position: bigint;
  updatedPosition: bigint;
};

export const deadLettersTable = defineTable<DeadLetterRow>()({
  name: 'dead_letters',
  key: ['tenant', 'taskId'],
  columns: {
    tenant: 'text',
    taskId: 'uuid',
    pool: 'text',
    capability: 'text',
    agentId: 'text',
    status: 'text',
    reason: 'text',
    attempts: 'integer',
    error: 'jsonb',
    errorCode: 'text',
    deadLetteredAt: 'timestamptz',
    closedAt: 'timestamptz',
    position: 'bigint',
    updatedPosition: 'bigint',
  },
});
