import type { InputRef, ObjectRef } from '@pothos/core';
import type { Queryable } from '../../../projections/database.ts';
import type { Page, PageRequest } from '../../../projections/page.ts';
import type { Reading } from '../../../projections/snapshot.ts';
import type { Builder, SchemaTypes } from './builder.ts';
import { type WithoutNulls, withoutNulls } from './command-field.ts';
import { type AddConnection, AFTER, AT_LEAST, FIRST, type PageArguments, readConnection } from './connection.ts';

export type ListOptions<Row, Input, Filter> = {
  /** Name of the query. */
  readonly name: string;
  readonly description: string;
  /** Name of the node type, before `Connection` and `Edge`. */
  readonly of: string;
  readonly node: ObjectRef<SchemaTypes, Row>;
  readonly filter: InputRef<Input>;
  /** The filter as the read model knows it, with its defaults. */
  readonly filterOf: (input: WithoutNulls<Input>) => Filter;
  readonly list: (pool: Queryable, tenant: string, filter: Filter, page: PageRequest) => Promise<Page<Row>>;
  readonly count: (pool: Queryable, tenant: string, filter: Filter) => Promise<Reading<bigint>>;
};

/** A query for a filtered list, page by page. */
export const addList = <Row, Input extends object, Filter>(
  builder: Builder,
  addConnection: AddConnection,
  options: ListOptions<Row, Input, Filter>,
): void => {
  const { name, description, of, node, filter, filterOf, list, count } = options;
  const Connection = addConnection(of, node);
  builder.queryField(name, (t) =>
    t.field({
      type: Connection,
      description,
      args: {
        filter: t.arg({ type: filter }),
        first: t.arg.int(FIRST),
        after: t.arg.string(AFTER),
        atLeast: t.arg(AT_LEAST),
      },
      resolve: (_, args, context) => {
        // Which arguments there are does not follow from a filter of any type.
        const { filter: input, ...page } = args as unknown as PageArguments & { readonly filter?: Input | null };
        const { pool, tenant } = context.reads;
        const wanted = filterOf(withoutNulls(input ?? ({} as Input)));
        return readConnection<Row>(
          context,
          page,
          (request) => list(pool, tenant, wanted, request),
          () => count(pool, tenant, wanted),
        );
      },
    }),
  );
};
