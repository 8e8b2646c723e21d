import type { DomainEvent } from '../../domain/events.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import type { AnyTable, Merge } from '../define-table.ts';
import type { Emit, Fold, Handled, Projector } from '../projector.ts';

export type Row = Readonly<Record<string, unknown>>;

/** One write that a handler requested, to one row of one table. */
export type Operation = Write | Change;
type Target = { readonly event: StoredEvent; readonly table: AnyTable; readonly id: string };
type Write = Target & { readonly kind: 'put' | 'add'; readonly row: Row };
type Change = Target & {
  readonly kind: 'change';
  readonly key: Row;
  readonly next: (row: Row | undefined, emit: Emit) => Row | undefined;
};

/** A handler threw: the event or the handler is at fault, and a retry would throw again. */
export class FoldError extends Error {
  override readonly name = 'FoldError';
  constructor(event: StoredEvent, cause: unknown) {
    super(`${event.type} at position ${event.position}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

/** Rows of a table by the id of their key. */
export type Rows = Map<AnyTable, Map<string, Row>>;

const keyOf = (table: AnyTable, row: Row): Row => Object.fromEntries(table.key.map((column) => [column, row[column]]));

/** Equal only for equal keys: no text in a key contains U+001F. */
export const idOf = (table: AnyTable, row: Row): string => {
  let id = '';
  for (const column of table.key) id += `\u001f${row[column]}`;
  return id;
};

class Collector implements Fold {
  readonly operations: Operation[] = [];
  readonly #event: StoredEvent;

  constructor(event: StoredEvent) {
    this.#event = event;
  }

  put(table: AnyTable, row: object): void {
    this.#write('put', table, row as Row);
  }

  add(table: AnyTable, row: object): void {
    this.#write('add', table, row as Row);
  }

  change(table: AnyTable, key: object, next: (row: never, emit: Emit) => object | undefined): void {
    const operation = { event: this.#event, table, id: idOf(table, key as Row), kind: 'change', key, next } as const;
    this.operations.push(operation as unknown as Operation);
  }

  #write(kind: 'put' | 'add', table: AnyTable, row: Row): void {
    this.operations.push({ event: this.#event, table, id: idOf(table, row), kind, row });
  }
}

export type Decode = (stored: StoredEvent) => DomainEvent | undefined;

const handle = (projector: Projector, stored: StoredEvent, decode: Decode, fold: Fold): void => {
  projector.onAny?.(stored, fold);
  const handler = projector.on[stored.type as DomainEvent['type']];
  if (handler === undefined) return;
  const event = decode(stored);
  if (event === undefined) return;
  const handled: Handled = {
    type: event.type,
    data: event.data,
    tenant: stored.metadata.tenant,
    position: stored.position,
    stored,
  };
  (handler as (event: Handled, fold: Fold) => void)(handled, fold);
};

/**
 * What a projector wants to write for one event; nothing is read or changed yet.
 *
 * Errors: throws `FoldError`.
 */
export const operationsOf = (projector: Projector, stored: StoredEvent, decode: Decode): Operation[] => {
  const collector = new Collector(stored);
  try {
    handle(projector, stored, decode, collector);
  } catch (error) {
    throw new FoldError(stored, error);
  }
  return collector.operations;
};

/** Keys of the rows that must be read before the operations can be applied, by table. */
export const neededKeys = (
  operations: readonly Operation[],
  isKnown: (table: AnyTable, id: string) => boolean,
): Map<AnyTable, Map<string, Row>> => {
  const needed = new Map<AnyTable, Map<string, Row>>();
  const written = new Map<AnyTable, Set<string>>();
  for (const operation of operations) {
    const { table, id } = operation;
    if (operation.kind === 'put') upsert(written, table, () => new Set<string>()).add(id);
    else if (operation.kind === 'change' && !written.get(table)?.has(id) && !isKnown(table, id))
      upsert(needed, table, () => new Map<string, Row>()).set(id, keyOf(table, operation.key));
  }
  return needed;
};

const upsert = <Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value => {
  const found = map.get(key);
  if (found !== undefined) return found;
  const created = create();
  map.set(key, created);
  return created;
};

const addElements = (sum: number[], more: readonly number[]): void => {
  for (let index = sum.length; index < more.length; index += 1) sum.push(0);
  for (const [index, value] of more.entries()) if (value !== 0) sum[index] = (sum[index] ?? 0) + value;
};

type Sum = Record<string, unknown>;

/** Adds to a sum that nobody else refers to. */
const addTo = (sum: Sum, merges: Merges, more: Row): void => {
  for (const [column, merge] of merges) {
    const value = more[column];
    if (value === null || (value === 0 && merge === 'sum')) continue;
    if (merge === 'elements') addElements(sum[column] as number[], value as number[]);
    else sum[column] = sum[column] === null ? value : merged(merge, sum[column] as number, value as number);
  }
};

const merged = (merge: Exclude<Merge, 'elements'>, a: number, b: number): number =>
  merge === 'sum' ? a + b : merge === 'min' ? Math.min(a, b) : Math.max(a, b);

const ownSum = (row: Row): Sum =>
  Object.fromEntries(Object.entries(row).map(([column, value]) => [column, Array.isArray(value) ? [...value] : value]));

type Merges = readonly (readonly [column: string, merge: Merge])[];
const mergesByTable = new WeakMap<AnyTable, Merges>();

const mergesOf = (table: AnyTable): Merges => {
  const known = mergesByTable.get(table);
  if (known) return known;
  const merges = Object.entries(table.columns).flatMap(([column, { merge }]) =>
    merge ? [[column, merge] as const] : [],
  );
  mergesByTable.set(table, merges);
  return merges;
};

const addRow = (table: AnyTable, sums: Map<string, Row>, id: string, row: Row): void => {
  const sum = sums.get(id);
  if (sum === undefined) {
    sums.set(id, ownSum(row));
    return;
  }
  addTo(sum as Sum, mergesOf(table), row);
};

/** Applies operations in order, in memory. Returns the rows to write; a row of a sum table is what to add. */
export const applyOperations = (
  operations: readonly Operation[],
  stored: (table: AnyTable, id: string) => Row | undefined,
): Rows => {
  const rows: Rows = new Map();
  const of = (table: AnyTable): Map<string, Row> => upsert(rows, table, () => new Map<string, Row>());
  const put = (table: AnyTable, id: string, row: Row): void => void of(table).set(id, row);
  const add = (table: AnyTable, id: string, row: Row): void => addRow(table, of(table), id, row);
  const emit: Emit = {
    put: (table, row) => put(table as AnyTable, idOf(table as AnyTable, row as Row), row as Row),
    add: (table, row) => add(table as AnyTable, idOf(table as AnyTable, row as Row), row as Row),
  };
  for (const operation of operations) {
    const { table, id } = operation;
    if (operation.kind === 'change') {
      const next = changed(operation, rows.get(table)?.get(id) ?? stored(table, id), emit);
      if (next !== undefined) put(table, id, next);
    } else if (operation.kind === 'put') put(table, id, operation.row);
    else add(table, id, operation.row);
  }
  return rows;
};

const changed = ({ event, next }: Change, row: Row | undefined, emit: Emit): Row | undefined => {
  try {
    return next(row, emit);
  } catch (error) {
    throw new FoldError(event, error);
  }
};
