import type pg from 'pg';
import type { EventStore, Position } from '../../eventstore/event-store.ts';
import { inTransaction } from '../../platform/transaction.ts';
import { rowTypes } from '../database.ts';
import { quoted } from '../names.ts';
import { type Projector, schemaOf } from '../projector.ts';
import { createSchemaSql } from './ddl.ts';

/** `building`: on its way to `target`, and not shown yet. `halted`: stopped until a person decides. */
export type ProjectionStatus = 'building' | 'live' | 'halted';

/** `log`: the rows come from another log; `parked`: too many events could not be folded. */
export type HaltedBy = 'log' | 'parked';

export type Checkpoint = {
  readonly name: string;
  readonly version: number;
  /** -1 before the first event. */
  readonly position: Position;
  readonly generation: bigint;
  readonly status: ProjectionStatus;
  readonly haltedBy: HaltedBy | null;
  readonly reason: string | null;
  readonly target: Position | null;
  readonly events: bigint;
  readonly unknownEvents: bigint;
  readonly eventStream: string | null;
  readonly eventRevision: bigint | null;
  readonly eventPosition: Position | null;
  readonly eventHash: string | null;
  readonly eventAt: string | null;
  readonly updatedAt: string;
};

/** The position of a checkpoint that has not seen an event. */
export const NOTHING_YET: Position = -1n;

const COLUMNS = `name, version, position, generation, status, halted_by AS "haltedBy", reason, target, events, unknown_events AS "unknownEvents",
  event_stream AS "eventStream", event_revision AS "eventRevision", event_position AS "eventPosition",
  event_hash AS "eventHash", event_at AS "eventAt", updated_at AS "updatedAt"`;

export const readCheckpoints = async (
  client: Pick<pg.ClientBase, 'query'>,
  names: readonly string[],
): Promise<Checkpoint[]> => {
  const text = `SELECT ${COLUMNS} FROM baton.checkpoints WHERE name = ANY($1::text[])`;
  return (await client.query<Checkpoint>({ text, values: [names], types: rowTypes })).rows;
};

/** Waits for a statement that moves the checkpoint, and blocks the next one until the transaction ends. */
export const lockCheckpoint = async (client: pg.ClientBase, name: string): Promise<Checkpoint | undefined> => {
  const text = `SELECT ${COLUMNS} FROM baton.checkpoints WHERE name = $1 FOR UPDATE`;
  return (await client.query<Checkpoint>({ text, values: [name], types: rowTypes })).rows[0];
};

/** Moves a checkpoint to before the first event. A new generation makes runners discard the rows they know. Live at once if the log is empty. */
export const resetCheckpoint = async (
  client: pg.ClientBase,
  name: string,
  version: number,
  head: Position | undefined,
): Promise<void> => {
  await client.query(
    `INSERT INTO baton.checkpoints AS c (name, version, position, generation, status, target, events, unknown_events, updated_at)
     VALUES ($1, $2, -1, 1, CASE WHEN $3::bigint IS NULL THEN 'live' ELSE 'building' END, $3, 0, 0, clock_timestamp())
     ON CONFLICT (name) DO UPDATE SET version = excluded.version, position = -1, generation = c.generation + 1,
       status = excluded.status, halted_by = NULL, reason = NULL, target = excluded.target, events = 0, unknown_events = 0, event_stream = NULL,
       event_revision = NULL, event_position = NULL, event_hash = NULL, event_at = NULL, updated_at = clock_timestamp()`,
    [name, version, head],
  );
  await client.query('DELETE FROM baton.parked_events WHERE projection = $1', [name]);
};

/** Creates a projector's tables in a schema of that name, which must not exist. */
export const createTables = async (client: pg.ClientBase, { tables }: Projector, schema: string): Promise<void> => {
  await client.query(createSchemaSql(schema, tables).join(';\n'));
};

export const dropSchema = async (client: pg.ClientBase, schema: string): Promise<void> => {
  await client.query(`DROP SCHEMA IF EXISTS ${quoted(schema)} CASCADE`);
};

/** Whether the tables of a projector's version exist, and the views that show them. */
const tablesExist = async (client: Pick<pg.ClientBase, 'query'>, projector: Projector): Promise<boolean> => {
  const names = projector.tables.flatMap(({ name }) => [`${schemaOf(projector)}.${name}`, `baton.${name}`]);
  const { rows } = await client.query<{ there: boolean }>(
    'SELECT bool_and(to_regclass(name) IS NOT NULL) AS there FROM unnest($1::text[]) AS names (name)',
    [names],
  );
  return rows[0]?.there ?? false;
};

const createReadModel = async (client: pg.ClientBase, projector: Projector, old: number | undefined): Promise<void> => {
  if (old !== undefined) await dropSchema(client, schemaOf({ name: projector.name, version: old }));
  await dropSchema(client, schemaOf(projector));
  await createTables(client, projector, schemaOf(projector));
  for (const { name } of projector.tables) {
    await client.query(`DROP VIEW IF EXISTS baton.${quoted(name)}`);
    await client.query(`CREATE VIEW baton.${quoted(name)} AS TABLE ${quoted(schemaOf(projector))}.${quoted(name)}`);
  }
};

/**
 * Keeps all runners from writing until the transaction ends. Must be the first lock of a transaction: a runner's statement locks the
 * checkpoints before the tables, so another order would deadlock with a runner.
 */
export const blockRunners = async (client: pg.ClientBase): Promise<void> => {
  await client.query('LOCK TABLE baton.checkpoints IN SHARE ROW EXCLUSIVE MODE');
};

/** Creates tables, views and checkpoints of the projections that have no checkpoint. Returns their names. */
export const createMissingReadModels = async (pool: pg.Pool, projectors: readonly Projector[]): Promise<string[]> => {
  const missingOf = async (client: Pick<pg.ClientBase, 'query'>): Promise<Projector[]> => {
    const names = projectors.map(({ name }) => name);
    const known = new Set((await readCheckpoints(client, names)).map(({ name }) => name));
    return projectors.filter(({ name }) => !known.has(name));
  };
  if ((await missingOf(pool)).length === 0) return [];
  return inTransaction(pool, 'BEGIN', async (tx) => {
    await blockRunners(tx);
    const missing = await missingOf(tx);
    const reached = await furthestPosition(tx);
    for (const projector of missing) {
      await createReadModel(tx, projector, undefined);
      await resetCheckpoint(tx, projector.name, projector.version, reached);
    }
    return missing.map(({ name }) => name);
  });
};

/** The furthest position of all projections. A new one is not shown before it has reached it. */
const furthestPosition = async (client: pg.ClientBase): Promise<Position | undefined> => {
  const text = `SELECT max(position) AS position FROM baton.checkpoints WHERE position > ${NOTHING_YET}`;
  const { rows } = await client.query<{ position: Position | null }>({ text, types: rowTypes });
  return rows[0]?.position ?? undefined;
};

/** The state of a projection before it is run. */
export type Found = { readonly checkpoint: Checkpoint; readonly created: boolean } | { readonly newerVersion: number };

/**
 * Makes sure that a projection has tables, views and a checkpoint of this build's version. Tables that somebody dropped and tables of an
 * older version are created again, empty, to be built from the beginning of the log.
 */
export const ensureReadModel = async (
  pool: pg.Pool,
  projector: Projector,
  head: Position | undefined,
): Promise<Found> =>
  (await existingReadModel(pool, projector, head)) ??
  inTransaction(pool, 'BEGIN', async (tx) => {
    await blockRunners(tx);
    const meanwhile = await existingReadModel(tx, projector, head);
    if (meanwhile) return meanwhile;
    const [old] = await readCheckpoints(tx, [projector.name]);
    await createReadModel(tx, projector, old?.version);
    await resetCheckpoint(tx, projector.name, projector.version, head);
    const [checkpoint] = await readCheckpoints(tx, [projector.name]);
    if (checkpoint === undefined)
      throw new Error(`bug: projection ${projector.name} has no checkpoint after it was created`);
    return { checkpoint, created: true };
  });

/** Undefined when the read model must be created. */
const existingReadModel = async (
  client: Pick<pg.ClientBase, 'query'>,
  projector: Projector,
  head: Position | undefined,
): Promise<Found | undefined> => {
  const { name, version } = projector;
  const [checkpoint] = await readCheckpoints(client, [name]);
  if (checkpoint && checkpoint.version > version) return { newerVersion: checkpoint.version };
  if (checkpoint?.version !== version || !(await tablesExist(client, projector))) return undefined;
  if (checkpoint.position !== NOTHING_YET || checkpoint.status !== 'live' || head === undefined)
    return { checkpoint, created: false };
  await hideUnbuilt(client, head, [name]);
  return { checkpoint, created: false };
};

/** The log has events up to `head`: read models into which none of them was folded are being built, and not shown before they have it. */
export const hideUnbuilt = async (
  client: Pick<pg.ClientBase, 'query'>,
  head: Position,
  names: readonly string[],
): Promise<void> => {
  await client.query(
    `UPDATE baton.checkpoints SET status = 'building', target = $2
     WHERE name = ANY($1::text[]) AND position = ${NOTHING_YET} AND status = 'live'`,
    [names, head],
  );
};

/**
 * Why the rows of a checkpoint cannot come from this log; undefined when they can. The last handled event must be in the log, with the
 * same hash.
 */
export const logMismatch = async (
  store: Pick<EventStore, 'readStream'>,
  { eventStream, eventRevision, eventPosition, eventHash }: Checkpoint,
  head: Position | undefined,
): Promise<string | undefined> => {
  if (eventStream === null || eventRevision === null || eventPosition === null) return undefined;
  if (head === undefined || eventPosition > head)
    return `its checkpoint ${eventPosition} is beyond the head of the log (${head ?? 'empty'}); it needs a rebuild`;
  const [event] = await store.readStream(eventStream, { from: eventRevision, limit: 1 });
  const where = `revision ${eventRevision} of stream ${eventStream} at position ${eventPosition}`;
  if (event?.position !== eventPosition || event.revision !== eventRevision)
    return `the event it last handled, ${where}, is not in the log; it needs a rebuild`;
  if (event.metadata.hash !== eventHash)
    return `the event it last handled, ${where}, has another hash in the log; it needs a rebuild`;
  return undefined;
};

/** Stops a projection in all processes, unless it has moved or changed meanwhile. */
export const haltProjection = async (
  client: Pick<pg.ClientBase, 'query'>,
  { name, generation, position }: Pick<Checkpoint, 'name' | 'generation' | 'position'>,
  haltedBy: HaltedBy,
  reason: string,
): Promise<void> => {
  await client.query(
    `UPDATE baton.checkpoints SET status = 'halted', halted_by = $4, reason = $5, updated_at = clock_timestamp()
     WHERE name = $1 AND generation = $2 AND position = $3`,
    [name, generation, position, haltedBy, reason],
  );
};

/** Lets a halted projection run again; `building` again when it had not reached its target. */
export const resumeProjection = async (client: Pick<pg.ClientBase, 'query'>, name: string): Promise<void> => {
  await client.query(
    `UPDATE baton.checkpoints SET status = CASE WHEN target IS NULL THEN 'live' ELSE 'building' END, halted_by = NULL, reason = NULL
     WHERE name = $1 AND status = 'halted'`,
    [name],
  );
};
