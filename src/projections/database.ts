import {
  CamelCasePlugin,
  type CompiledQuery,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely';
import pg from 'pg';
import type { RowsByTable } from './define-table.ts';
import type { ProjectionName, ReadModelTable } from './registry.ts';

export type Queryable = Pick<pg.Pool, 'query'> & {
  /** Resolves when the projection holds what the reader must see; asked before its rows are read. */
  readonly fresh?: (projection: ProjectionName) => Promise<void>;
};

/** Builds queries on the views of schema `baton`; `snapshot` runs them. */
export const db = new Kysely<RowsByTable<ReadModelTable>>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (kysely) => new PostgresIntrospector(kysely),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
  plugins: [new CamelCasePlugin()],
}).withSchema('baton');

export type Compilable = { compile(): Pick<CompiledQuery, 'sql' | 'parameters'> };

/** A query with a constant text, in the database's names: it is not built for each call. */
export const fixed = (text: string, ...parameters: unknown[]): Compilable => ({
  compile: () => ({ sql: text, parameters }),
});

/** Matches a text anywhere in another, with ILIKE. */
export const containing = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A text that is not a UUID is the id of nothing, and Postgres would refuse the query because of it. */
export const onlyUuids = (ids: readonly string[]): string[] => ids.filter((id) => UUID.test(id));

const INT8 = 20;
const INT8_ARRAY = 1016;
const TIMESTAMPTZ = 1184;

type Parse = (text: string) => unknown;
const dateOf = pg.types.getTypeParser(TIMESTAMPTZ, 'text') as (text: string) => Date;
const int8sOf = pg.types.getTypeParser(INT8_ARRAY as never, 'text') as (text: string) => string[];

const parsers = new Map<number, Parse>([
  [INT8, BigInt],
  [INT8_ARRAY, (text) => int8sOf(text).map(Number)],
  [TIMESTAMPTZ, (text) => dateOf(text).toISOString()],
]);

/** Returns columns in the form that rows have (see `define-table.ts`). */
export const rowTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text') =>
    parsers.get(oid) ?? pg.types.getTypeParser(oid, format ?? 'text')) as typeof pg.types.getTypeParser,
};
