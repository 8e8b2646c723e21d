import type { PoolOverview, PoolView } from '../../processes/admission/pool-overview.ts';
import type { Metrics } from './metrics.ts';

/** Names of capabilities come with tasks: with more of them than this, only those that most tasks wait for are shown. */
const MAX_SERIES = 500;

type Shown = { readonly pool: string } & PoolView['backlog'][number];

const mostWaiting = (pools: readonly PoolView[]): Shown[] =>
  pools
    .flatMap(({ name, backlog }) => backlog.map((each) => ({ pool: name, ...each })))
    .sort((a, b) => b.waiting - a.waiting)
    .slice(0, MAX_SERIES);

/** What waits, for how long, and how fast it comes and goes, as far as this process has read the log. */
export const measureBacklog = (
  metrics: Metrics,
  overview: Pick<PoolOverview, 'pools'>,
  clock: { now(): number },
): void => {
  const figures: Readonly<Record<string, readonly [help: string, figureOf: (shown: Shown, nowMs: number) => number]>> =
    {
      waiting: ['Tasks that no agent holds', ({ waiting }) => waiting],
      running: ['Tasks that an agent holds', ({ running }) => running],
      oldest_seconds: [
        'How long the task that waits longest has waited',
        ({ oldestSinceMs }, nowMs) => (oldestSinceMs === undefined ? 0 : Math.max(0, nowMs - oldestSinceMs) / 1_000),
      ],
      arrived_per_second: ['Tasks submitted, over the last minute', ({ arrivedPerSecond }) => arrivedPerSecond],
      started_per_second: ['Attempts assigned, over the last minute', ({ startedPerSecond }) => startedPerSecond],
    };
  for (const [name, [help, figureOf]] of Object.entries(figures))
    metrics.addMeasurement({
      name: `baton_backlog_${name}`,
      help: `${help}, by pool and capability; do not sum over processes`,
      labelNames: ['pool', 'capability'],
      read: async () => {
        const { pools } = await overview.pools();
        return mostWaiting(pools).map((shown) => ({
          labels: { pool: shown.pool, capability: shown.capability },
          value: figureOf(shown, clock.now()),
        }));
      },
    });
};
