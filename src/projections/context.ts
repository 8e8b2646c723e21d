import type pg from 'pg';
import type { EventStore } from '../eventstore/event-store.ts';
import type { Clock } from '../platform/clock.ts';
import { notFound } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import type { Projector } from './projector.ts';
import type { Decode } from './runner/fold.ts';
import type { Feed } from './runner/lane.ts';

/** What the operations on projections (list, rebuild, verify, retry) need. */
export type ProjectionContext = {
  readonly pool: pg.Pool;
  readonly store: Pick<EventStore, 'head' | 'readStream' | 'readAll'>;
  readonly feed: Feed;
  readonly projectors: readonly Projector[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** This process, for people to read. */
  readonly holder: string;
  readonly leaseMs: number;
  readonly decode?: Decode;
};

export const projectorNamed = ({ projectors }: Pick<ProjectionContext, 'projectors'>, name: string): Projector => {
  const projector = projectors.find((candidate) => candidate.name === name);
  if (projector === undefined) throw notFound('projection', name);
  return projector;
};
