import type { AttemptError } from '../../domain/task/events.ts';
import {
  bigint,
  defineTable,
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

export const DEAD_LETTER_STATUSES = ['open', 'redriven', 'cancelled'] as const;
export type DeadLetterStatus = (typeof DEAD_LETTER_STATUSES)[number];

/** The last dead letter of each task that ever had one. */
export const deadLettersTable = defineTable({
  name: 'dead_letters',
  columns: {
    tenant: tenant(),
    taskId: uuid(),
    pool: text(),
    capability: text(),
    /** Of the last attempt. */
    agentId: nullable(text()),
    status: oneOf(DEAD_LETTER_STATUSES),
    reason: text(),
    /** Attempts closed by then. */
    attempts: integer(),
    error: json<AttemptError>(),
    errorCode: text(),
    deadLetteredAt: timestamptz(),
    closedAt: nullable(timestamptz()),
    position: bigint(),
    updatedPosition: bigint(),
    /** Of the error: dead letters of the same failure have the same. */
    fingerprint: text(),
  },
  key: ['tenant', 'taskId'],
  indexes: {
    newest: { on: ['tenant', 'status', 'position DESC'] },
    failures: { on: ['tenant', 'status', 'fingerprint'] },
  },
});

export type DeadLetterRow = RowOf<typeof deadLettersTable>;
