import type { AnyTable, Column, Index, IndexPart } from '../define-table.ts';
import { qualified, quoted, snake } from '../names.ts';

const columnSql = ([name, { type, nullable }]: readonly [string, Column]): string =>
  `${quoted(snake(name))} ${type}${nullable ? '' : ' NOT NULL'}`;

const partSql = (part: IndexPart): string => {
  if (typeof part !== 'string') return `(${part.expression})`;
  const [name = '', order] = part.split(' ');
  return order === undefined ? quoted(snake(name)) : `${quoted(snake(name))} ${order}`;
};

const indexSql = (schema: string, table: AnyTable, [name, { on, using, where }]: readonly [string, Index]): string =>
  [
    `CREATE INDEX ${quoted(`${table.name}_${snake(name)}`)} ON ${qualified(schema, table)}`,
    ...(using ? [`USING ${using}`] : []),
    `(${on.map(partSql).join(', ')})`,
    ...(where ? [`WHERE ${where}`] : []),
  ].join(' ');

const list = (parts: readonly string[]): string => parts.map((part) => `\n  ${part}`).join(',');

/** The statements that create a table and its indexes in a schema. */
export const createTableSql = (schema: string, table: AnyTable): string[] => [
  `CREATE TABLE ${qualified(schema, table)} (${list([
    ...Object.entries(table.columns).map(columnSql),
    `PRIMARY KEY (${table.key.map((column) => quoted(snake(column))).join(', ')})`,
  ])}\n)`,
  ...Object.entries(table.indexes).map((index) => indexSql(schema, table, index)),
];

/** The statements that create a schema with some tables. */
export const createSchemaSql = (schema: string, tables: readonly AnyTable[]): string[] => [
  `CREATE SCHEMA ${quoted(schema)}`,
  ...tables.flatMap((table) => createTableSql(schema, table)),
];
