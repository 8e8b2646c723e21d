import type { Position, StoredEvent } from '../../eventstore/event-store.ts';
import type { ProjectionContext } from '../context.ts';
import type { Queryable } from '../database.ts';
import { type Checkpoint, NOTHING_YET, type ProjectionStatus, readCheckpoints } from './checkpoint.ts';

/** Counting more would read the whole log. */
const MAX_COUNTED = 10_000;
const PAGE = 1_000;

export type ProjectionOverview = {
  readonly name: string;
  readonly version: number;
  readonly status: ProjectionStatus | 'absent';
  /** Why it is halted, or goes no further at present. */
  readonly reason: string | undefined;
  /** -1 before the first event. */
  readonly position: Position;
  /** While building: the position from which on it is live. */
  readonly target: Position | undefined;
  /** Events after `position`; counted up to 10,000. */
  readonly lagEvents: number;
  /** Time of the log's last event minus time of the last handled event. */
  readonly lagMs: number;
  readonly parked: number;
  readonly unknownEvents: bigint;
  readonly updatedAt: string | undefined;
};

type Lag = { readonly events: number; readonly ms: number };

type Source = Pick<ProjectionContext, 'store' | 'clock' | 'projectors'> & {
  readonly pool: Queryable;
  /** What interrupts the projections that this process runs. */
  readonly interrupted?: (() => Readonly<Record<string, string>>) | undefined;
};

const eventsAfter = async (
  store: ProjectionContext['store'],
  after: Position,
): Promise<{ count: number; last?: StoredEvent }> => {
  let count = 0;
  let last: StoredEvent | undefined;
  for (let from = after; count < MAX_COUNTED; ) {
    const { events, next } = await store.readAll(from === NOTHING_YET ? { limit: PAGE } : { after: from, limit: PAGE });
    count += events.length;
    last = events.at(-1) ?? last;
    if (next === undefined) return last === undefined ? { count } : { count, last };
    from = next;
  }
  return { count };
};

const lagOf = async ({ store, clock }: Source, checkpoint: Checkpoint): Promise<Lag> => {
  const { count, last } = await eventsAfter(store, checkpoint.position);
  if (count === 0) return { events: 0, ms: 0 };
  const until = last ? Date.parse(last.recordedAt) : clock.now();
  const handled = checkpoint.eventAt === null ? until : Date.parse(checkpoint.eventAt);
  return { events: count, ms: Math.max(0, until - handled) };
};

/** The state of each projection: its position, its lag, and the events that it could not fold. */
export const listProjections = async (context: Source): Promise<ProjectionOverview[]> => {
  const { pool, projectors } = context;
  const names = projectors.map(({ name }) => name);
  const checkpoints = new Map((await readCheckpoints(pool, names)).map((checkpoint) => [checkpoint.name, checkpoint]));
  const { rows } = await pool.query<{ projection: string; parked: bigint }>(
    'SELECT projection, count(*) AS parked FROM baton.parked_events WHERE projection = ANY($1::text[]) GROUP BY projection',
    [names],
  );
  const parked = new Map(rows.map((row) => [row.projection, Number(row.parked)]));
  const overviews: ProjectionOverview[] = [];
  for (const { name, version } of projectors) {
    const checkpoint = checkpoints.get(name);
    const lag = checkpoint ? await lagOf(context, checkpoint) : { events: 0, ms: 0 };
    overviews.push({
      name,
      version: checkpoint?.version ?? version,
      status: checkpoint?.status ?? 'absent',
      reason: checkpoint?.reason ?? (lag.events > 0 ? context.interrupted?.()[name] : undefined),
      position: checkpoint?.position ?? NOTHING_YET,
      target: checkpoint?.target ?? undefined,
      lagEvents: lag.events,
      lagMs: lag.ms,
      parked: parked.get(name) ?? 0,
      unknownEvents: checkpoint?.unknownEvents ?? 0n,
      updatedAt: checkpoint?.updatedAt,
    });
  }
  return overviews;
};
