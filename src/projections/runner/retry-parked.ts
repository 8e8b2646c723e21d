import type pg from 'pg';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import { inTransaction } from '../../platform/transaction.ts';
import { type ProjectionContext, projectorNamed } from '../context.ts';
import { type Projector, schemaOf } from '../projector.ts';
import { lockCheckpoint, resumeProjection } from './checkpoint.ts';
import { type Operation, operationsOf } from './fold.ts';
import {
  blockOf,
  blockOfOperation,
  type ParkedEvent,
  parkedEvent,
  parkedEventsTable,
  readParked,
  storable,
  WAITS,
} from './parked.ts';
import { RowCache } from './row-cache.ts';
import { causeOf, foldOperations, isPoison, Writer, writesOf } from './writer.ts';

export type RetryResult = { readonly retried: number; readonly remaining: number };

type Fetched = { readonly parked: ParkedEvent; readonly event: StoredEvent | undefined };

/** Called before the checkpoint is locked, so that the projection does not stop meanwhile. */
const fetchAll = async ({ pool, store }: ProjectionContext, name: string): Promise<Fetched[]> => {
  const fetched: Fetched[] = [];
  for (const parked of await readParked(pool, name)) {
    const [event] = await store.readStream(parked.stream, { from: parked.revision, limit: 1 });
    fetched.push({ parked, event: event?.position === parked.position ? event : undefined });
  }
  return fetched;
};

const deleteParked = (client: pg.ClientBase, { projection, position, tableName, rowKey }: ParkedEvent) =>
  client.query(
    'DELETE FROM baton.parked_events WHERE projection = $1 AND position = $2 AND table_name = $3 AND row_key = $4',
    [projection, position, tableName, rowKey],
  );

const explain = (client: pg.ClientBase, { projection, position, tableName, rowKey }: ParkedEvent, cause: string) =>
  client.query(
    `UPDATE baton.parked_events SET cause = $5
     WHERE projection = $1 AND position = $2 AND table_name = $3 AND row_key = $4`,
    [projection, position, tableName, rowKey, storable(cause)],
  );

/** The retries of one transaction, in log order. An event that is refused again blocks later ones of the same row or stream. */
class Retry {
  readonly #writer: Writer;
  readonly #projector: Projector;
  readonly #context: ProjectionContext;
  readonly #blocked = new Set<string>();

  constructor(client: pg.ClientBase, projector: Projector, context: ProjectionContext) {
    this.#writer = new Writer(client);
    this.#projector = projector;
    this.#context = context;
  }

  /** Returns whether the event was folded. */
  async retry({ parked, event }: Fetched): Promise<boolean> {
    const block = blockOf(this.#projector.tables, parked);
    if (event === undefined || this.#blocked.has(block)) return false;
    const { client } = this.#writer;
    await client.query('SAVEPOINT retry');
    try {
      await deleteParked(client, parked); // first: what is left of it may be parked again under the same key
      await this.#fold(parked, event, block);
      await client.query('RELEASE SAVEPOINT retry');
      return true;
    } catch (error) {
      if (!isPoison(error)) throw error;
      await client.query('ROLLBACK TO SAVEPOINT retry');
      await explain(client, parked, causeOf(error));
      this.#blocked.add(block);
      return false;
    }
  }

  async #fold(parked: ParkedEvent, event: StoredEvent, block: string): Promise<void> {
    const all = operationsOf(this.#projector, event, this.#context.decode ?? decodeEvent);
    const mine = parked.tableName === '' ? all : all.filter((operation) => blockOfOperation(operation) === block);
    const waiting = mine.filter((operation) => this.#blocked.has(blockOfOperation(operation)));
    const rows = await foldOperations(
      this.#writer,
      { schema: schemaOf(this.#projector), cache: new RowCache() },
      mine.filter((operation) => !waiting.includes(operation)),
    );
    const stillParked = waiting.map((operation: Operation) =>
      parkedEvent(parked.projection, event, WAITS, parked.parkedAt, operation),
    );
    await this.#writer.write(writesOf(schemaOf(this.#projector), rows));
    if (stillParked.length > 0)
      await this.#writer.write([{ schema: 'baton', table: parkedEventsTable, rows: stillParked }]);
  }
}

/**
 * Folds parked events again, after a fix. Those that are refused again stay parked, with those that wait behind them. A projection that
 * halted because of them resumes when none is left.
 *
 * Rows come out as if the events had been folded in order, because later events of the same row were held back. The exception is an
 * event that could not be read at all: it holds back only its stream. If events of other streams have changed its rows since, `verify`
 * shows the difference and a rebuild repairs it.
 *
 * Errors: `AppError` NOT_FOUND.
 */
export const retryParked = async (context: ProjectionContext, name: string): Promise<RetryResult> => {
  const projector = projectorNamed(context, name);
  const fetched = await fetchAll(context, name);
  return inTransaction(context.pool, 'BEGIN', async (tx) => {
    const checkpoint = await lockCheckpoint(tx, name);
    const retry = new Retry(tx, projector, context);
    let retried = 0;
    for (const one of fetched) if (await retry.retry(one)) retried += 1;
    const remaining = (await readParked(tx, name)).length;
    if (retried > 0) await tx.query('UPDATE baton.checkpoints SET generation = generation + 1 WHERE name = $1', [name]);
    if (remaining === 0 && checkpoint?.haltedBy === 'parked') await resumeProjection(tx, name);
    return { retried, remaining };
  });
};
