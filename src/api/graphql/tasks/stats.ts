import type { Position } from '../../../eventstore/event-store.ts';
import {
  type DurationStats,
  getTaskStats,
  type TaskStats,
  type TaskStatsSeries,
} from '../../../projections/task-stats/queries.ts';
import { countTasksByStatus } from '../../../projections/tasks/queries.ts';
import type { TaskStatus } from '../../../projections/tasks/table.ts';
import type { Builder } from '../kit/builder.ts';
import { AT_LEAST } from '../kit/connection.ts';
import type { TaskTypes } from './types.ts';

type Point = TaskStatsSeries['series'][number];
type Stats = TaskStatsSeries & { readonly from: string; readonly to: string; readonly asOf: Position };
type StatusCount = { readonly status: TaskStatus; readonly count: bigint };

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const COUNTS = {
  submitted: 'Tasks submitted.',
  completed: 'Tasks completed.',
  failedAttempts: 'Attempts that failed; a task may have several.',
  deadLettered: 'Tasks dead-lettered.',
  failed: 'Tasks of executions that failed permanently; their execution decides what follows.',
  cancelled: 'Tasks cancelled.',
} as const satisfies { readonly [Name in keyof TaskStats]?: string };

const addPoints = (builder: Builder) => {
  const DurationStatsType = builder.objectRef<DurationStats>('DurationStats').implement({
    description: 'In milliseconds. Percentiles are read from a histogram and off by at most 9 %.',
    fields: (t) => ({
      averageMs: t.exposeFloat('averageMs'),
      minMs: t.exposeFloat('minMs'),
      maxMs: t.exposeFloat('maxMs'),
      p50EstimateMs: t.exposeFloat('p50EstimateMs'),
      p99EstimateMs: t.exposeFloat('p99EstimateMs'),
    }),
  });
  const TaskStatsFields = builder.interfaceRef<TaskStats>('TaskStatsFields').implement({
    description: 'What happened to tasks in a period of time.',
    fields: (t) => ({
      submitted: t.expose('submitted', { type: 'SafeInt', description: COUNTS.submitted }),
      completed: t.expose('completed', { type: 'SafeInt', description: COUNTS.completed }),
      failedAttempts: t.expose('failedAttempts', { type: 'SafeInt', description: COUNTS.failedAttempts }),
      deadLettered: t.expose('deadLettered', { type: 'SafeInt', description: COUNTS.deadLettered }),
      failed: t.expose('failed', { type: 'SafeInt', description: COUNTS.failed }),
      cancelled: t.expose('cancelled', { type: 'SafeInt', description: COUNTS.cancelled }),
      duration: t.field({
        type: DurationStatsType,
        nullable: true,
        description: 'Durations of the calls that completed tasks.',
        resolve: ({ duration }) => duration,
      }),
      endToEnd: t.field({
        type: DurationStatsType,
        nullable: true,
        description: 'From submission to completion.',
        resolve: ({ endToEnd }) => endToEnd,
      }),
    }),
  });
  return {
    Totals: builder.objectRef<TaskStats>('TaskStatsTotals').implement({
      interfaces: [TaskStatsFields],
      fields: () => ({}),
    }),
    Point: builder.objectRef<Point>('TaskStatsPoint').implement({
      interfaces: [TaskStatsFields],
      fields: (t) => ({ at: t.expose('at', { type: 'DateTime', description: 'Start of the step.' }) }),
    }),
  };
};

export const addStats = (builder: Builder, { TaskStatus }: TaskTypes): void => {
  const types = addPoints(builder);
  const StatsType = builder.objectRef<Stats>('TaskStats').implement({
    fields: (t) => ({
      from: t.expose('from', { type: 'DateTime' }),
      to: t.expose('to', { type: 'DateTime' }),
      totals: t.field({ type: types.Totals, resolve: ({ totals }) => totals }),
      series: t.field({
        type: [types.Point],
        description: 'Oldest first; steps without events are left out.',
        resolve: ({ series }) => series,
      }),
      asOf: t.expose('asOf', { type: 'Position' }),
    }),
  });
  const StatusCountType = builder.objectRef<StatusCount>('TaskStatusCount').implement({
    fields: (t) => ({
      status: t.expose('status', { type: TaskStatus }),
      count: t.expose('count', { type: 'SafeInt' }),
    }),
  });
  builder.queryFields((t) => ({
    stats: t.field({
      type: StatsType,
      description: 'What happened to tasks over time; the last hour by default.',
      args: {
        from: t.arg({ type: 'DateTime', description: 'Inclusive; whole minutes count.' }),
        to: t.arg({ type: 'DateTime', description: 'Exclusive.' }),
        capability: t.arg.string(),
        stepMinutes: t.arg.int({ defaultValue: 1, required: true, description: 'Length of one point of the series.' }),
        atLeast: t.arg(AT_LEAST),
      },
      resolve: async (_, { from, to, capability, stepMinutes, atLeast }, { reads, commands }) => {
        reads.atLeast(atLeast);
        const end = to ?? new Date(commands.clock.now() + MINUTE_MS).toISOString();
        const start = from ?? new Date(Date.parse(end) - HOUR_MS).toISOString();
        const request = { from: start, to: end, stepMinutes, ...(capability == null ? {} : { capability }) };
        const { value, position } = await getTaskStats(reads.pool, reads.tenant, request);
        reads.reflected(position);
        return { ...value, from: start, to: end, asOf: position };
      },
    }),
    taskCounts: t.field({
      type: [StatusCountType],
      description: 'How many tasks are in each status now; statuses without tasks are left out.',
      args: { atLeast: t.arg(AT_LEAST) },
      resolve: async (_, { atLeast }, { reads }) => {
        reads.atLeast(atLeast);
        const counts = await reads.of(countTasksByStatus(reads.pool, reads.tenant));
        return [...counts].map(([status, count]) => ({ status, count }));
      },
    }),
  }));
};
