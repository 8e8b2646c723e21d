/*
 * One declaration per table of a read model. The DDL, the row type, the statements that read and write rows and the tables that
 * queries know all derive from it.
 */

/** The Postgres types that a column can have. */
export type ColumnType =
  | 'text'
  | 'text[]'
  | 'uuid'
  | 'integer'
  | 'bigint'
  | 'bigint[]'
  | 'double precision'
  | 'boolean'
  | 'timestamptz'
  | 'jsonb';

/** How a column of a sum table combines with what is added to it; `elements` sums arrays element by element. */
export type Merge = 'sum' | 'min' | 'max' | 'elements';

declare const VALUE: unique symbol;

/** A column. `Value` is what a row holds in it; it exists in types only. */
export type Column<Value = unknown> = {
  readonly type: ColumnType;
  readonly nullable: boolean;
  /** The column names the tenant that owns the row. */
  readonly isTenant?: true;
  /** The texts that the column may hold. Types enforce the list; the database does not. */
  readonly values?: readonly string[];
  readonly merge?: Merge;
  readonly [VALUE]?: Value;
};

export type SumColumn<Value = unknown> = Column<Value> & { readonly merge: Merge };

const column = <Value>(type: ColumnType): Column<Value> => ({ type, nullable: false });

/** The tenant that owns the row: the first column of every table of a read model, and of its key. */
export const tenant = (): Column<string> => ({ ...column('text'), isTenant: true });
export const text = <Value extends string = string>(): Column<Value> => column('text');
/** A text out of a list. */
export const oneOf = <const Value extends string>(values: readonly Value[]): Column<Value> => ({
  ...column('text'),
  values,
});
export const texts = (): Column<readonly string[]> => column('text[]');
export const uuid = (): Column<string> => column('uuid');
export const integer = (): Column<number> => column('integer');
/** Positions and revisions. */
export const bigint = (): Column<bigint> => column('bigint');
/** Whole numbers that may exceed 32 bits, and fractions. */
export const double = (): Column<number> => column('double precision');
export const boolean = (): Column<boolean> => column('boolean');
/** ISO 8601 UTC with milliseconds, see `instant.ts`. */
export const timestamptz = (): Column<string> => column('timestamptz');
/** Anything that JSON can hold. SQL's NULL stands for JSON's null. */
export const json = <Value>(): Column<Value> => column('jsonb');
export const nullable = <Value>(notNull: Column<Value>): Column<Value | null> => ({
  ...(notNull as Column<Value | null>),
  nullable: true,
});

const summed = <Value>(merge: Merge, sumColumn: Column<Value>): SumColumn<Value> => ({ ...sumColumn, merge });

/** A count or a sum. Whole numbers only: their sum does not depend on how events fell into batches. */
export const sum = (): SumColumn<number> => summed('sum', column('bigint'));
/** The least of the numbers that were added; null before the first. */
export const least = (): SumColumn<number | null> => summed('min', nullable(column<number>('bigint')));
/** The greatest of the numbers that were added; null before the first. */
export const greatest = (): SumColumn<number | null> => summed('max', nullable(column<number>('bigint')));
/** Arrays of whole numbers, summed element by element. */
export const elementSums = (): SumColumn<readonly number[]> => summed('elements', column('bigint[]'));

type Columns = { readonly [Name: string]: Column };
type RowOfColumns<Of extends Columns> = {
  -readonly [Name in keyof Of]: Of[Name] extends Column<infer Value> ? Value : never;
};

/** A column in ascending or descending order, or an expression in SQL. */
export type IndexPart<Name extends string = string> = Name | `${Name} DESC` | { readonly expression: string };

export type Index<Name extends string = string> = {
  readonly on: readonly IndexPart<Name>[];
  /** Default: btree. */
  readonly using?: 'gin';
  /** Condition of a partial index, in SQL. */
  readonly where?: string;
};

/** A table as the runner sees it: names and types, nothing about the shape of rows. */
export type AnyTable = {
  readonly name: string;
  /** Columns in the order of the database. Rows have camelCase names, the database has the same names in snake_case. */
  readonly columns: Readonly<Record<string, Column>>;
  readonly key: readonly string[];
  /** By the part of their name that follows the name of the table. */
  readonly indexes: Readonly<Record<string, Index>>;
};

export type Table<
  Row extends object = object,
  Key extends keyof Row = keyof Row,
  Name extends string = string,
> = AnyTable & {
  readonly name: Name;
  readonly columns: { readonly [Name in keyof Row]-?: Column<Row[Name]> };
  readonly key: readonly (Key & string)[];
  readonly [VALUE]?: Row;
};

/** A table whose rows are sums: all columns but the key are added to, and nobody needs to read a row in order to write it. */
export type SumTable<
  Row extends object = object,
  Key extends keyof Row = keyof Row,
  Name extends string = string,
> = Table<Row, Key, Name> & { readonly columns: { readonly [Name in Exclude<keyof Row, Key>]: SumColumn } };

type TypedTable = AnyTable & { readonly [VALUE]?: object };

/** The row type of a table. */
export type RowOf<Of extends TypedTable> = NonNullable<Of[typeof VALUE]>;

/** The row types of several tables by the names of the tables. */
export type RowsByTable<Tables extends TypedTable> = { [Of in Tables as Of['name']]: RowOf<Of> };

type Declaration<Of extends Columns, Key extends keyof Of, Name extends string> = {
  readonly name: Name;
  /** New columns go to the end: a released version of a table keeps the order of its columns. */
  readonly columns: Of;
  readonly key: readonly Key[];
  readonly indexes?: Readonly<Record<string, Index<keyof Of & string>>>;
};

/** Declares a table of a read model. Its version is that of the projector that writes it. */
export const defineTable = <Of extends Columns, const Key extends keyof Of & string, const Name extends string>(
  declaration: Declaration<Of, Key, Name>,
): Table<RowOfColumns<Of>, Key, Name> => ({ indexes: {}, ...declaration }) as never;

/** Declares a table whose rows are sums. */
export const defineSumTable = <Of extends Columns, const Key extends keyof Of & string, const Name extends string>(
  declaration: Declaration<Of, Key, Name> & {
    readonly columns: { readonly [Name in Exclude<keyof Of, Key>]: SumColumn };
  },
): SumTable<RowOfColumns<Of>, Key, Name> => ({ indexes: {}, ...declaration }) as never;
