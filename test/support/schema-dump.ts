import type pg from 'pg';

/*
 * The schema of a database as text, from the catalog: what `pg_dump --schema-only` prints, for servers that come without it.
 */

type Client = Pick<pg.ClientBase, 'query'>;

const textsOf = async (client: Client, query: string, schema: string): Promise<string[]> =>
  (await client.query<{ text: string }>(query, [schema])).rows.map(({ text }) => text);

/** Columns in their order, then the constraints. */
const TABLES = `
  SELECT format(E'CREATE TABLE %I.%I (\\n  %s\\n);', n.nspname, c.relname, string_agg(part.text, E',\\n  ' ORDER BY part.nr, part.text)) AS text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL (
    SELECT a.attnum AS nr, format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)) ||
      CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') AS text
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 10000, format('CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid))
    FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype <> 'n') part
  WHERE n.nspname = $1 AND c.relkind = 'r' GROUP BY n.nspname, c.relname ORDER BY c.relname`;

/** Without those that a constraint made. */
const INDEXES = `
  SELECT pg_get_indexdef(i.indexrelid) || ';' AS text
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) ORDER BY c.relname`;

const VIEWS = `
  SELECT format('CREATE VIEW %I.%I AS%s', schemaname, viewname, definition) AS text
  FROM pg_views WHERE schemaname = $1 ORDER BY viewname`;

/** Of procedures and aggregates the signature. */
const FUNCTIONS = `
  SELECT CASE p.prokind WHEN 'f' THEN pg_get_functiondef(p.oid) ELSE
    format('CREATE %s %I.%I(%s)', CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'AGGREGATE' END, n.nspname, p.proname,
      pg_get_function_arguments(p.oid)) END || ';' AS text
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 ORDER BY p.proname`;

export const dumpTables = async (client: Client, schema: string): Promise<string> =>
  [...(await textsOf(client, TABLES, schema)), ...(await textsOf(client, INDEXES, schema))].join('\n');

export const dumpFunctions = async (client: Client, schema: string): Promise<string> =>
  (await textsOf(client, FUNCTIONS, schema)).join('\n');

export const dumpViews = async (client: Client, schema: string): Promise<string> =>
  (await textsOf(client, VIEWS, schema)).join('\n');
