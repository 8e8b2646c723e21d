import { defineSumTable } from '../projector.ts';

/** What happened in one minute, by the instants of the events, to tasks of one capability. */
export type TaskStatsRow = {
  tenant: string;
  minute: string;
  capability: string;
  submitted: number;
  completed: number;
  failedAttempts: number;
  deadLettered: number;
  /** Of executions: tasks that failed for good. */
  failed: number;
  cancelled: number;
  /** Of the calls that completed tasks, in microseconds. */
  durationSumUs: number;
  durationMinUs: number | null;
  durationMaxUs: number | null;
  durationHistogram: readonly number[];
  /** From submission to completion, in microseconds. */
  endToEndSumUs: number;
  endToEndMinUs: number | null;
  endToEndMaxUs: number | null;
  endToEndHistogram: readonly number[];
};

export const taskStatsTable = defineSumTable<TaskStatsRow>()({
  name: 'task_stats',
  key: ['tenant', 'minute', 'capability'],
  columns: {
    tenant: 'text',
    minute: 'timestamptz',
    capability: 'text',
    submitted: 'bigint',
    completed: 'bigint',
    failedAttempts: 'bigint',
    deadLettered: 'bigint',
    failed: 'bigint',
    cancelled: 'bigint',
    durationSumUs: 'bigint',
    durationMinUs: 'bigint',
    durationMaxUs: 'bigint',
    durationHistogram: 'bigint[]',
    endToEndSumUs: 'bigint',
    endToEndMinUs: 'bigint',
    endToEndMaxUs: 'bigint',
    endToEndHistogram: 'bigint[]',
  },
  merge: {
    submitted: 'sum',
    completed: 'sum',
    failedAttempts: 'sum',
    deadLettered: 'sum',
    failed: 'sum',
    cancelled: 'sum',
    durationSumUs: 'sum',
    durationMinUs: 'min',
    durationMaxUs: 'max',
    durationHistogram: 'elements',
    endToEndSumUs: 'sum',
    endToEndMinUs: 'min',
    endToEndMaxUs: 'max',
    endToEndHistogram: 'elements',
  },
});
