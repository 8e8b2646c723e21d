import type { DomainEvent, DomainEventType } from '../domain/events.ts';
import type { Position, StoredEvent } from '../eventstore/event-store.ts';
import type { AnyTable, SumTable, Table } from './define-table.ts';

/** Writes that need no read first. */
export interface Emit {
  /** Writes a whole row, whatever was there before. */
  put<Row extends object, Key extends keyof Row>(table: Table<Row, Key>, row: Row): void;
  /** Adds to a row of sums. */
  add<Row extends object, Key extends keyof Row>(table: SumTable<Row, Key>, row: Row): void;
}

export interface Fold extends Emit {
  /**
   * Replaces one row by the result of `next`; undefined leaves the row unchanged. `next` sees only this row and must not mutate it.
   * What it emits belongs to the same change.
   */
  change<Row extends object, Key extends keyof Row>(
    table: Table<Row, Key>,
    key: Pick<Row, Key>,
    next: (row: Row | undefined, emit: Emit) => Row | undefined,
  ): void;
}

export type Handled<Event extends DomainEvent = DomainEvent> = {
  readonly type: Event['type'];
  readonly data: Event['data'];
  readonly tenant: string;
  readonly position: Position;
  readonly stored: StoredEvent;
};

export type Handler<Event extends DomainEvent> = (event: Handled<Event>, fold: Fold) => void;

/**
 * A table from event type to rows. Handlers are pure and see one event; each change sees one row. So rows depend only on the order
 * of the events that touch them, not on how the log was split into batches, and a rebuild gives the same rows.
 */
export type Projector<Name extends string = string> = {
  /** The name of the projection. Its tables are in the schema `rm_<name>_v<version>`. */
  readonly name: Name;
  /** Raise it with every change of tables or handlers: the rows are then rebuilt. */
  readonly version: number;
  /** Created from their declarations, all in one schema under one checkpoint. */
  readonly tables: readonly AnyTable[];
  readonly on: { readonly [Type in DomainEventType]?: Handler<Extract<DomainEvent, { type: Type }>> };
  /** Called for every event of the log, also for those of unknown type. */
  readonly onAny?: (stored: StoredEvent, fold: Fold) => void;
};

/** The schema that holds the tables of a projector's version. */
export const schemaOf = ({ name, version }: Pick<Projector, 'name' | 'version'>): string => `rm_${name}_v${version}`;
