import type { Position } from '../eventstore/event-store.ts';
import { AppError, unavailable } from '../platform/errors.ts';
import { isTransientPostgresError } from '../platform/postgres-errors.ts';
import { type Compilable, type Queryable, rowTypes } from './database.ts';
import type { AnyTable } from './define-table.ts';
import { snake } from './names.ts';
import { type ProjectionName, projectors } from './registry.ts';

/** An answer and the position of the log that it reflects: it is the fold of everything up to there, and of nothing later. */
export type Reading<Value> = { readonly value: Value; readonly position: Position };

type Checkpoint = {
  readonly checkpointVersion: number;
  readonly checkpointPosition: bigint;
  readonly checkpointStatus: 'building' | 'live' | 'halted';
  readonly checkpointReason: string | null;
  readonly checkpointTarget: bigint | null;
};

const UNDEFINED_TABLE = '42P01';
const UNDEFINED_COLUMN = '42703';

const VERSIONS = new Map(projectors.map(({ name, version }) => [name, version]));

const reasonFor = (projection: ProjectionName, checkpoint: Checkpoint): string => {
  const { checkpointVersion: version, checkpointStatus: status, checkpointPosition: position } = checkpoint;
  if (status === 'building') return `is being rebuilt, at position ${position} of ${checkpoint.checkpointTarget}`;
  if (status === 'halted') return `is halted at position ${position}: ${checkpoint.checkpointReason}`;
  const known = VERSIONS.get(projection);
  return isOlder(projection, checkpoint)
    ? `has version ${version}; it is rebuilt as version ${known} once this build runs the projections`
    : `has version ${version}, this build knows version ${known}; use a newer build`;
};

const refuse = (projection: ProjectionName, checkpoint: Checkpoint | undefined): AppError => {
  const position = checkpoint?.checkpointPosition;
  const why = checkpoint ? reasonFor(projection, checkpoint) : 'has not been built yet';
  return new AppError('UNAVAILABLE', `the read model ${projection} ${why}`, {
    retryable: true,
    details: { projection, position: position?.toString(), target: checkpoint?.checkpointTarget?.toString() },
  });
};

/** Whether the rows are those of an older build: they must be rebuilt before this build can show them. */
const isOlder = (projection: ProjectionName, { checkpointVersion }: Checkpoint): boolean =>
  checkpointVersion < (VERSIONS.get(projection) ?? 0);

const checkpointOf = async (pool: Queryable, projection: ProjectionName): Promise<Checkpoint | undefined> => {
  const text = `SELECT version AS "checkpointVersion", position AS "checkpointPosition", status AS "checkpointStatus", reason AS "checkpointReason",
    target AS "checkpointTarget" FROM baton.checkpoints WHERE name = $1`;
  return (await pool.query<Checkpoint>({ text, values: [projection], types: rowTypes })).rows[0];
};

const translated = async (pool: Queryable, projection: ProjectionName, error: unknown): Promise<unknown> => {
  if (isTransientPostgresError(error)) return unavailable('Postgres cannot be reached', error);
  const { code } = error as { code?: string };
  // The runner notices dropped tables as well, and builds them again.
  if (code === UNDEFINED_TABLE) return refuse(projection, undefined);
  if (code !== UNDEFINED_COLUMN) return error;
  const checkpoint = await checkpointOf(pool, projection);
  return checkpoint && checkpoint.checkpointVersion !== VERSIONS.get(projection)
    ? refuse(projection, checkpoint)
    : error;
};

export type SnapshotOptions = {
  /** Prepares the statement under this name; for queries whose text never changes. */
  readonly name?: string;
  /** Columns of the result that order the rows, descending. */
  readonly orderBy?: readonly string[];
};

/**
 * Runs a query and reads the checkpoint of its projection in one statement, so that rows and position belong to one snapshot.
 *
 * Shape:  `columns` are those of the result, in camelCase.
 * Errors: `AppError` UNAVAILABLE (retryable) while the read model is being rebuilt or halted (partial rows are never shown), or
 *         when Postgres cannot be reached; those of the pool's `fresh`.
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
  const text = `SELECT c.version AS "checkpointVersion", c.position AS "checkpointPosition", c.status AS "checkpointStatus", c.reason AS "checkpointReason",
    c.target AS "checkpointTarget", q.found, ${names.map((column) => `q.${snake(column)} AS "${column}"`).join(', ')}
    FROM baton.checkpoints c LEFT JOIN LATERAL (SELECT true AS found, * FROM (${compiled.sql}) found_rows) q ON true
    WHERE c.name = $${compiled.parameters.length + 1}${orderBy ? ` ORDER BY ${orderBy.map((by) => `q.${snake(by)} DESC`).join(', ')}` : ''}`;
  type Found = Checkpoint & { found: true | null };
  await pool.fresh?.(projection);
  try {
    const { rows } = await pool.query<Found>({
      ...(name === undefined ? {} : { name }),
      text,
      values: [...compiled.parameters, projection],
      types: rowTypes,
    });
    const first = rows[0];
    if (first === undefined || first.checkpointStatus !== 'live' || isOlder(projection, first))
      throw refuse(projection, first);
    return { value: rows.filter(({ found }) => found).map(withoutCheckpoint<Row>), position: first.checkpointPosition };
  } catch (error) {
    throw await translated(pool, projection, error);
  }
};

const withoutCheckpoint = <Row>(found: Checkpoint & { found: true | null }): Row => {
  const {
    checkpointVersion: _version,
    checkpointPosition: _position,
    checkpointStatus: _status,
    checkpointReason: _reason,
    checkpointTarget: _target,
    found: _found,
    ...row
  } = found;
  return row as Row;
};
