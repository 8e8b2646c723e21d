import type pg from 'pg';
import type { EventStore, Position } from '../../eventstore/event-store.ts';
import type { Logger } from '../../platform/logger.ts';
import type { AnyTable } from '../define-table.ts';
import { type Projector, schemaOf } from '../projector.ts';
import {
  type Checkpoint,
  ensureReadModel,
  type HaltedBy,
  haltProjection,
  logMismatch,
  resumeProjection,
} from './checkpoint.ts';
import { blocksOf, readParked } from './parked.ts';
import { RowCache } from './row-cache.ts';

/** A projection that a lane runs: its checkpoint in memory, and what is known of its rows. */
export type Member = {
  /** The name of the checkpoint. */
  readonly name: string;
  readonly projector: Projector;
  readonly schema: string;
  readonly generation: bigint;
  position: Position;
  readonly cache: RowCache;
  /** Tables whose rows are read before they are changed. */
  readonly readTables: Set<AnyTable>;
  /** Blocked rows and streams, see `parked.ts`. */
  readonly blocks: Set<string>;
  parked: number;
};

type Surroundings = {
  readonly pool: pg.Pool;
  readonly store: Pick<EventStore, 'head' | 'readStream'>;
  readonly logger: Logger;
};

/** Stops a projection until a person decides, and logs an error. */
export const halt = async (
  { pool, logger }: Pick<Surroundings, 'pool' | 'logger'>,
  member: Pick<Checkpoint, 'name' | 'generation' | 'position'>,
  haltedBy: HaltedBy,
  reason: string,
): Promise<void> => {
  const where = { projection: member.name, position: member.position.toString(), reason };
  logger.error(where, 'projection halted');
  await haltProjection(pool, member, haltedBy, reason);
};

/**
 * Makes a projection ready to run: its tables exist and its checkpoint fits the log. Undefined when it cannot be run; the reason is in
 * its checkpoint or in the log output.
 */
export const prepareMember = async (surroundings: Surroundings, projector: Projector): Promise<Member | undefined> => {
  const { pool, store, logger } = surroundings;
  const { name } = projector;
  const head = await store.head();
  const found = await ensureReadModel(pool, projector, head);
  if ('newerVersion' in found) {
    const versions = { projection: name, version: found.newerVersion, known: projector.version };
    logger.error(versions, 'a newer build created this read model; this build does not touch it');
    return undefined;
  }
  const { checkpoint, created } = found;
  if (created) logger.warn({ projection: name }, 'read model created; building it from the beginning of the log');
  const mismatch = await logMismatch(store, checkpoint, head);
  if (mismatch !== undefined) {
    if (checkpoint.haltedBy !== 'log') await halt(surroundings, checkpoint, 'log', mismatch);
    return undefined;
  }
  if (checkpoint.haltedBy === 'parked') return undefined;
  if (checkpoint.haltedBy === 'log') await resumeProjection(pool, name);
  const parked = await readParked(pool, name);
  return {
    name,
    projector,
    schema: schemaOf(projector),
    generation: checkpoint.generation,
    position: checkpoint.position,
    cache: new RowCache(),
    readTables: new Set(),
    blocks: blocksOf(projector, parked),
    parked: parked.length,
  };
};
