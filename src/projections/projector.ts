import type { DomainEvent, DomainEventType } from '../domain/events.ts';
import type { Position, StoredEvent } from '../eventstore/event-store.ts';

export type ColumnType =
  | 'text'
  | 'text[]'
  | 'uuid'
  | 'integer'
  | 'bigint'
  | 'bigint[]'
  | 'double precision'
  | 'timestamptz'
  | 'jsonb';

/** How a column of a sum table takes in what is added to it; `elements` sums arrays element by element. */
export type Merge = 'sum' | 'min' | 'max' | 'elements';

/**
 * A table of a read model. Rows have camelCase names, the database has the same in snake_case. Instants are ISO 8601 UTC with
 * milliseconds (see `instant.ts`), positions are bigint. A test holds `columns` against the migrated database.
 */
export type Table<Row extends object = object, Key extends keyof Row = keyof Row> = {
  readonly name: string;
  readonly key: readonly (Key & string)[];
  readonly columns: { readonly [Column in keyof Row]-?: ColumnType };
};

/** A table whose rows are sums: all columns but the key are added to, and nobody needs to read a row in order to write it. */
export type SumTable<Row extends object = object, Key extends keyof Row = keyof Row> = Table<Row, Key> & {
  readonly merge: { readonly [Column in Exclude<keyof Row, Key>]: Merge };
};

/** A table as the runner sees it: names and types, nothing about rows. */
export type AnyTable = {
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: Readonly<Record<string, ColumnType>>;
  readonly merge?: Readonly<Record<string, Merge>>;
};

export const defineTable =
  <Row extends object>() =>
  <const Key extends keyof Row & string>(table: {
    readonly name: string;
    readonly key: readonly Key[];
    readonly columns: { readonly [Column in keyof Row]-?: ColumnType };
  }): Table<Row, Key> =>
    table;

export const defineSumTable =
  <Row extends object>() =>
  <const Key extends keyof Row & string>(table: {
    readonly name: string;
    readonly key: readonly Key[];
    readonly columns: { readonly [Column in keyof Row]-?: ColumnType };
    readonly merge: { readonly [Column in Exclude<keyof Row, Key>]: Merge };
  }): SumTable<Row, Key> =>
    table;

/** What may be written without reading first. */
export interface Emit {
  /** Writes a whole row, whatever was there before. */
  put<Row extends object, Key extends keyof Row>(table: Table<Row, Key>, row: Row): void;
  /** Adds to a row of sums. */
  add<Row extends object, Key extends keyof Row>(table: SumTable<Row, Key>, row: Row): void;
}

export interface Fold extends Emit {
  /**
   * Replaces one row by what `next` makes of it; undefined leaves it as it is. `next` sees this row and nothing else, and must not
   * change it in place; what it emits belongs to the same change.
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
 * of the events that touch them, not on how the log fell into batches, and a rebuild gives the same rows.
 */
export type Projector = {
  /** Its tables are in the schema `rm_<name>_v<version>`, made by the procedure `baton.create_<name>_v<version>`. */
  readonly name: string;
  /** Raised with any change of tables or handlers: the rows are then built anew. */
  readonly version: number;
  readonly tables: readonly AnyTable[];
  readonly on: { readonly [Type in DomainEventType]?: Handler<Extract<DomainEvent, { type: Type }>> };
  /** Called for every event of the log, also for those of unknown type. */
  readonly onAny?: (stored: StoredEvent, fold: Fold) => void;
};

/** The schema that holds the tables of a projector's version. */
export const schemaOf = ({ name, version }: Pick<Projector, 'name' | 'version'>): string => `rm_${name}_v${version}`;
