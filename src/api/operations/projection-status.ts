import { countParkedCompensations } from '../../projections/executions/compensations.ts';
import { PROJECTION_NAMES, projectors } from '../../projections/registry.ts';
import { readCheckpoints } from '../../projections/runner/checkpoint.ts';
import { listProjections, type ProjectionOverview } from '../../projections/runner/overview.ts';
import type { Metrics } from './metrics.ts';

export type ProjectionSource = Omit<Parameters<typeof listProjections>[0], 'projectors'> & {
  readonly head: () => bigint | undefined;
};

/** Counting how far a projection is behind reads the log, so simultaneous requests share one answer. */
export const sharedOverview = (source: ProjectionSource) => {
  let asked: Promise<ProjectionOverview[]> | undefined;
  return (): Promise<ProjectionOverview[]> => {
    asked ??= listProjections({ ...source, projectors }).finally(() => {
      asked = undefined;
    });
    return asked;
  };
};

/** Position and lag of each projection, from its checkpoint alone: cheap enough for every scrape. */
export const measureProjections = (metrics: Metrics, { pool, clock, head }: ProjectionSource): void => {
  const checkpoints = () => readCheckpoints(pool, PROJECTION_NAMES);
  metrics.addMeasurement({
    name: 'baton_projection_position',
    help: 'Log position up to which a projection has handled events',
    labelNames: ['projection'],
    read: async () =>
      (await checkpoints()).map(({ name, position }) => ({ labels: { projection: name }, value: Number(position) })),
  });
  metrics.addMeasurement({
    name: 'baton_projection_lag_seconds',
    help: 'Age of the last event that a projection has handled, 0 when there is none after it',
    labelNames: ['projection'],
    read: async () => {
      const end = head();
      return (await checkpoints()).map(({ name, position, eventAt }) => {
        const behind = end !== undefined && position < end && eventAt !== null;
        const lagMs = behind ? Math.max(0, clock.now() - Date.parse(eventAt)) : 0;
        return { labels: { projection: name }, value: lagMs / 1_000 };
      });
    },
  });
};

/** Compensations that only a person can close; worth an alert. */
export const measureParkedCompensations = (metrics: Metrics, { pool }: Pick<ProjectionSource, 'pool'>): void =>
  metrics.addMeasurement({
    name: 'baton_compensations_parked',
    help: 'Compensations of all tenants that have failed permanently and wait for a person',
    labelNames: [],
    read: async () => [{ labels: {}, value: await countParkedCompensations(pool) }],
  });
