import type pg from 'pg';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import { rowTypes } from '../database.ts';
import { type AnyTable, bigint, defineTable, type RowOf, text, timestamptz, uuid } from '../define-table.ts';
import type { Projector } from '../projector.ts';
import { idOf, type Operation, type Row } from './fold.ts';

/** Events that a projection could not fold, or that wait behind such an event. Durable: migration 0001 creates the table. */
export const parkedEventsTable = defineTable({
  name: 'parked_events',
  columns: {
    projection: text(),
    position: bigint(),
    /** The row that the event would have changed; both empty when the event could not be read at all. */
    tableName: text(),
    rowKey: text(),
    eventId: uuid(),
    stream: text(),
    revision: bigint(),
    type: text(),
    cause: text(),
    parkedAt: timestamptz(),
  },
  key: ['projection', 'position', 'tableName', 'rowKey'],
});

export type ParkedEvent = RowOf<typeof parkedEventsTable>;

export const WAITS = 'waits for an earlier event of the same row that is parked';

/** Postgres stores no NUL, and a cause need not be longer than a screen. */
export const storable = (text: string): string => text.replaceAll('\u0000', '\uFFFD').toWellFormed().slice(0, 2_000);

const rowKeyOf = ({ table, ...operation }: Operation): string => {
  const row: Row = operation.kind === 'change' ? operation.key : operation.row;
  const key = table.key.map((column) => [column, row[column]] as const);
  return JSON.stringify(Object.fromEntries(key), (_, value) => (typeof value === 'bigint' ? value.toString() : value));
};

/** Without `operation` the whole event is parked. */
export const parkedEvent = (
  projection: string,
  event: StoredEvent,
  cause: string,
  parkedAt: string,
  operation?: Operation,
): ParkedEvent => ({
  projection,
  position: event.position,
  tableName: operation?.table.name ?? '',
  rowKey: operation ? storable(rowKeyOf(operation)) : '',
  eventId: event.id,
  stream: storable(event.stream),
  revision: event.revision,
  type: storable(event.type),
  cause: storable(cause),
  parkedAt,
});

/** A block: one row, or one stream, that gets no further events. */
export const blockOfOperation = ({ table, id }: Operation): string => `${table.name}${id}`;
export const blockOfStream = (stream: string): string => `stream\u001f${stream}`;

export const blockOf = (tables: readonly AnyTable[], { tableName, rowKey, stream }: ParkedEvent): string => {
  const table = tables.find(({ name }) => name === tableName);
  return table === undefined ? blockOfStream(stream) : `${tableName}${idOf(table, JSON.parse(rowKey) as Row)}`;
};

const COLUMNS = `projection, position, table_name AS "tableName", row_key AS "rowKey", event_id AS "eventId", stream, revision, type,
  cause, parked_at AS "parkedAt"`;

/** The parked events of a projection in log order. */
export const readParked = async (
  client: Pick<pg.ClientBase, 'query'>,
  projection: string,
  limit = 10_000,
): Promise<ParkedEvent[]> => {
  const text = `SELECT ${COLUMNS} FROM baton.parked_events WHERE projection = $1 ORDER BY position, table_name, row_key LIMIT $2`;
  return (await client.query<ParkedEvent>({ text, values: [projection, limit], types: rowTypes })).rows;
};

export const blocksOf = (projector: Projector, parked: readonly ParkedEvent[]): Set<string> =>
  new Set(parked.map((event) => blockOf(projector.tables, event)));
