import {
  defineSumTable,
  elementSums,
  greatest,
  least,
  type RowOf,
  sum,
  tenant,
  text,
  timestamptz,
} from '../define-table.ts';

/** What happened in one minute, by the instants of the events, to tasks of one capability. */
export const taskStatsTable = defineSumTable({
  name: 'task_stats',
  columns: {
    tenant: tenant(),
    minute: timestamptz(),
    capability: text(),
    submitted: sum(),
    completed: sum(),
    failedAttempts: sum(),
    deadLettered: sum(),
    cancelled: sum(),
    /** Of the calls that completed tasks, in microseconds. */
    durationSumUs: sum(),
    durationMinUs: least(),
    durationMaxUs: greatest(),
    durationHistogram: elementSums(),
    /** From submission to completion, in microseconds. */
    endToEndSumUs: sum(),
    endToEndMinUs: least(),
    endToEndMaxUs: greatest(),
    endToEndHistogram: elementSums(),
    /** Tasks of executions that failed permanently. */
    failed: sum(),
  },
  key: ['tenant', 'minute', 'capability'],
});

export type TaskStatsRow = RowOf<typeof taskStatsTable>;
