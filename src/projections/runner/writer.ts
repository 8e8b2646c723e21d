import type pg from 'pg';
import type { Position, StoredEvent } from '../../eventstore/event-store.ts';
import { isTransientPostgresError } from '../../platform/postgres-errors.ts';
import type { AnyTable } from '../define-table.ts';
import { applyOperations, FoldError, idOf, neededKeys, type Operation, type Row, type Rows } from './fold.ts';
import type { RowCache } from './row-cache.ts';
import { jsonRows, loadRows, statementName, upsertSql } from './statements.ts';

/** Rows for one table in some schema. */
export type TableWrite = { readonly schema: string; readonly table: AnyTable; readonly rows: Iterable<Row> };

export const writesOf = (schema: string, rows: Rows): TableWrite[] =>
  [...rows].map(([table, ofTable]) => ({ schema, table, rows: ofTable.values() }));

/** Checkpoints that move together, and the events that they move past. */
export type Move = {
  readonly checkpoints: readonly { readonly name: string; readonly generation: bigint }[];
  readonly from: Position;
  readonly to: Position;
  readonly events: number;
  readonly unknownEvents: number;
  /** Absent when there are no events between `from` and `to`. */
  readonly last: StoredEvent | undefined;
};

/** Another writer moved a checkpoint, or somebody changed its rows: nothing was written. */
const FENCED = 'BT001';

export const isFenced = (error: unknown): boolean => (error as { code?: string }).code === FENCED;

/** Rows that cannot be serialised as JSON (too deep, too long). */
class UnwritableRows extends Error {
  override readonly name = 'UnwritableRows';
}

/** Data exceptions, violated constraints, program limits such as the size of an index entry: the same rows would cause them again. */
const POISON_CLASSES = new Set(['22', '23', '54']);

/** Whether the same event would fail again, and only it. Any other error is the database's and no reason to park an event. */
export const isPoison = (error: unknown): boolean => {
  if (error instanceof FoldError || error instanceof UnwritableRows) return true;
  const { code } = error as { code?: unknown };
  return (
    typeof code === 'string' &&
    /^[0-9A-Z]{5}$/.test(code) &&
    POISON_CLASSES.has(code.slice(0, 2)) &&
    !isTransientPostgresError(error)
  );
};

/** Why an event was refused, as text for people. */
export const causeOf = (error: unknown): string => {
  const { message, detail } = error as { message?: string; detail?: string };
  return detail === undefined ? String(message) : `${message}: ${detail}`;
};

const jsonOf = ({ table, rows }: TableWrite): string => {
  try {
    return jsonRows(table, rows);
  } catch (error) {
    throw new UnwritableRows(`rows of ${table.name}: ${(error as Error).message}`, { cause: error });
  }
};

const MOVE = `
  UPDATE baton.checkpoints c
  SET position = $1, events = c.events + $5, unknown_events = c.unknown_events + $6,
    event_stream = coalesce($7, c.event_stream), event_revision = coalesce($8, c.event_revision),
    event_position = coalesce($9, c.event_position), event_hash = coalesce($10, c.event_hash),
    event_at = coalesce($11, c.event_at), updated_at = clock_timestamp(),
    status = CASE WHEN $1 >= c.target THEN 'live' ELSE c.status END,
    target = CASE WHEN $1 >= c.target THEN NULL ELSE c.target END
  FROM json_to_recordset($3::json) AS m (name text, generation bigint)
  WHERE c.name = m.name AND c.generation = m.generation AND c.position = $2 AND c.status <> 'halted'
  RETURNING c.name`;
const MOVE_PARAMETERS = 11;

/** One statement is one transaction: it writes rows, moves checkpoints and notifies those who wait for them, or does nothing. */
const moveStatement = (writes: readonly TableWrite[]): string => {
  const upserts = writes.map(
    ({ schema, table }, index) => `w${index} AS (${upsertSql(schema, table, `$${MOVE_PARAMETERS + 1 + index}`)})`,
  );
  return `WITH moved AS (${MOVE})${upserts.map((upsert) => `, ${upsert}`).join('')}
    SELECT baton.fence((SELECT count(*) FROM moved), $4),
      pg_notify('baton_projection', (SELECT string_agg(name, ',') FROM moved) || ':' || $1)`;
};

const sorted = (writes: readonly TableWrite[]): TableWrite[] =>
  [...writes].sort((a, b) => (`${a.schema}.${a.table.name}` < `${b.schema}.${b.table.name}` ? -1 : 1));

/** Reads and writes rows on one connection of the runner. */
export class Writer {
  readonly client: pg.ClientBase;

  constructor(client: pg.ClientBase) {
    this.client = client;
  }

  load(schema: string, table: AnyTable, keys: Iterable<Row>): Promise<Row[]> {
    return loadRows(this.client, schema, table, keys);
  }

  /**
   * Writes rows and moves checkpoints, all or nothing.
   *
   * Errors: those that `isFenced` and `isPoison` recognise, and any other error of the database.
   */
  async move(move: Move, unsorted: readonly TableWrite[]): Promise<void> {
    const writes = sorted(unsorted); // so that there are few different texts
    const { checkpoints, from, to, events, unknownEvents, last } = move;
    const members = checkpoints.map(({ name, generation }) => ({ name, generation: generation.toString() }));
    const text = moveStatement(writes);
    await this.client.query({
      name: statementName(text),
      text,
      values: [
        to,
        from,
        JSON.stringify(members),
        members.length,
        events,
        unknownEvents,
        last?.stream,
        last?.revision,
        last?.position,
        last?.metadata.hash,
        last?.recordedAt,
        ...writes.map(jsonOf),
      ],
    });
  }

  /** Writes rows in the caller's transaction. */
  async write(writes: readonly TableWrite[]): Promise<void> {
    for (const write of writes) {
      const text = upsertSql(write.schema, write.table, '$1');
      await this.client.query({ name: statementName(text), text, values: [jsonOf(write)] });
    }
  }

  /** Tries to write rows and rolls back. Rejects with the error of the attempt. */
  async tryOut(writes: readonly TableWrite[]): Promise<void> {
    await this.client.query('BEGIN');
    try {
      await this.write(writes);
    } finally {
      await this.client.query('ROLLBACK');
    }
  }
}

/** Applies operations, after reading the rows that they need and that `cache` does not have. */
export const foldOperations = async (
  writer: Writer,
  { schema, cache }: { readonly schema: string; readonly cache: RowCache },
  operations: readonly Operation[],
): Promise<Rows> => {
  const read = new Map<AnyTable, Map<string, Row>>();
  for (const [table, keys] of neededKeys(operations, (of, id) => cache.has(of, id))) {
    const found = await writer.load(schema, table, keys.values());
    read.set(table, new Map(found.map((row) => [idOf(table, row), row])));
  }
  return applyOperations(operations, (table, id) => cache.get(table, id) ?? read.get(table)?.get(id));
};
