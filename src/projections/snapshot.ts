import type { Position } from '../eventstore/event-store.ts';
import { AppError, unavailable } from '../platform/errors.ts';
import { isTransientPostgresError } from '../platform/postgres.ts';
import { type Compilable, type Queryable, rowTypes, snake } from './database.ts';
import type { AnyTable } from './projector.ts';
import type { ProjectionName } from './registry.ts';

/** An answer and the position of the log that it reflects: the fold of everything up to there, and of nothing later. */
export type Reading<Value> = { readonly value: Value; readonly position: Position };

type Checkpoint = {
  readonly checkpointPosition: bigint;
  readonly checkpointStatus: 'building' | 'live' | 'halted';
  readonly checkpointReason: string | null;
  readonly checkpointTarget: bigint | null;
};

const UNDEFINED_TABLE = '42P01';

const refuse = (projection: ProjectionName, checkpoint: Checkpoint | undefined): AppError => {
  const position = checkpoint?.checkpointPosition;
  const why =
    checkpoint === undefined
      ? 'has not been built yet'
      : checkpoint.checkpointStatus === 'building'
        ? `is being rebuilt, at position ${position} of ${checkpoint.checkpointTarget}`
        : `is halted at position ${position}: ${checkpoint.checkpointReason}`;
  return new AppError('UNAVAILABLE', `the read model ${projection} ${why}`, {
    retryable: true,
    details: { projection, position: position?.toString(), target: checkpoint?.checkpointTarget?.toString() },
  });
};

const translated = (projection: ProjectionName, error: unknown): unknown => {
  if (isTransientPostgresError(error)) return unavailable('Postgres cannot be reached', error);
  // Somebody dropped the schema: the runner finds out as well, and builds it anew.
  return (error as { code?: string }).code === UNDEFINED_TABLE ? refuse(projection, undefined) : error;
};

export type SnapshotOptions = {
  /** Prepares the statement under this name; for queries whose text never changes. */
  readonly name?: string;
  /** Columns of the result by which the rows come, descending. */
  readonly orderBy?: readonly string[];
};

/**
 * Runs a query together with the read of its projection's checkpoint, in one statement: rows and position are of one snapshot.
 *
 * Shape:  `columns` are those of the result, in camelCase.
 * Errors: `AppError` UNAVAILABLE (retryable) while the read model is being rebuilt or halted (partial rows are never shown), or
 *         when Postgres cannot be reached.
 */
export const snapshot = async <Row extends object>(
  pool: Queryable,
  projection: ProjectionName,
  columns: AnyTable['columns'] | readonly string[],
  query: Compilable,
  { name, orderBy }: SnapshotOptions = {},
): Promise<Reading<Row[]>> => {
  const compiled = query.compile();
  const names = Array.isArray(columns) ? (columns as readonly string[]) : Object.keys(columns);
  const text = `SELECT c.position AS "checkpointPosition", c.status AS "checkpointStatus", c.reason AS "checkpointReason",
    c.target AS "checkpointTarget", q.found, ${names.map((column) => `q.${snake(column)} AS "${column}"`).join(', ')}
    FROM baton.checkpoints c LEFT JOIN LATERAL (SELECT true AS found, * FROM (${compiled.sql}) found_rows) q ON true
    WHERE c.name = $${compiled.parameters.length + 1}${orderBy ? ` ORDER BY ${orderBy.map((by) => `q.${snake(by)} DESC`).join(', ')}` : ''}`;
  type Found = Checkpoint & { found: true | null };
  try {
    const { rows } = await pool.query<Found>({
      ...(name === undefined ? {} : { name }),
      text,
      values: [...compiled.parameters, projection],
      types: rowTypes,
    });
    const first = rows[0];
    if (first === undefined || first.checkpointStatus !== 'live') throw refuse(projection, first);
    return { value: rows.filter(({ found }) => found).map(withoutCheckpoint<Row>), position: first.checkpointPosition };
  } catch (error) {
    throw translated(projection, error);
  }
};

const withoutCheckpoint = <Row>(found: Checkpoint & { found: true | null }): Row => {
  const {
    checkpointPosition: _position,
    checkpointStatus: _status,
    checkpointReason: _reason,
    checkpointTarget: _target,
    found: _found,
    ...row
  } = found;
  return row as Row;
};
