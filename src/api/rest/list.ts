import { z } from 'zod';
import type { Queryable } from '../../projections/database.ts';
import type { Page, PageRequest } from '../../projections/page.ts';
import { DEFAULT_PAGE_SIZE, MAX_PAGE } from '../../projections/page-size.ts';
import type { Reading } from '../../projections/snapshot.ts';
import { PositionText } from '../edge/query-string.ts';
import {
  AT_LEAST,
  type Example,
  type Operation,
  operation,
  positionOf,
  QUERY_REFUSALS,
  type Requested,
} from './operation.ts';

export const FIRST = z
  .string()
  .regex(/^\d{1,9}$/, `must be a whole number from 1 to ${MAX_PAGE}`)
  .default(String(DEFAULT_PAGE_SIZE))
  .meta({ description: `Length of the page, 1 to ${MAX_PAGE}.` });

const PAGE = {
  first: FIRST,
  after: z
    .string()
    .optional()
    .meta({ description: '`next` of the previous page, from the same list with the same filter.' }),
  count: z
    .enum(['true', 'false'])
    .optional()
    .meta({ description: 'With `true`, the answer has `totalCount`: the length of the whole list, exactly.' }),
  ...AT_LEAST,
} as const;

type ListOptions<Row, Shape extends z.ZodRawShape, Filter> = {
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  /** Parameters of the filter. */
  readonly filter: Shape;
  /** The filter as the read model knows it, with its defaults. */
  readonly filterOf: (query: z.output<z.ZodObject<Shape>>) => Filter;
  readonly item: { readonly schema: z.ZodType; readonly of: (row: Row, request: Requested) => unknown };
  readonly list: (pool: Queryable, tenant: string, filter: Filter, page: PageRequest) => Promise<Page<Row>>;
  readonly count: (pool: Queryable, tenant: string, filter: Filter) => Promise<Reading<bigint>>;
  readonly example?: Example;
};

const pageSchema = (item: z.ZodType) =>
  z.strictObject({
    items: z.array(item),
    next: z.string().optional().meta({ description: 'Pass it as `after` for the next page; absent on the last one.' }),
    asOf: PositionText.meta({ description: 'The page includes everything up to here, and nothing later.' }),
    totalCount: z.int().min(0).optional(),
  });

/** A list, page by page, newest first. */
export const listOf = <Row, Shape extends z.ZodRawShape, Filter>(
  options: ListOptions<Row, Shape, Filter>,
): Operation => {
  const { path, id, summary, description, filter, filterOf, item, list, count, example = {} } = options;
  return operation({
    method: 'get',
    path,
    id,
    summary,
    ...(description === undefined ? {} : { description }),
    query: z.strictObject({ ...filter, ...PAGE }) as unknown as z.ZodObject<typeof PAGE>,
    success: { status: 200, description: 'A page', schema: pageSchema(item.schema) },
    refusals: QUERY_REFUSALS,
    example,
    async run(request) {
      const { reads, query } = request;
      const { first, after, count: counting, atLeast, ...asked } = query;
      reads.atLeast(positionOf({ atLeast }));
      const wanted = filterOf(asked as z.output<z.ZodObject<Shape>>);
      const page = await list(reads.pool, reads.tenant, wanted, { first: Number(first), after });
      const items = await Promise.all(page.edges.map(({ node }) => item.of(node, request)));
      const last = page.edges.at(-1);
      return {
        body: {
          items,
          ...(page.hasNextPage && last ? { next: last.cursor } : {}),
          asOf: String(page.position < 0n ? 0n : page.position),
          ...(counting === 'true' ? { totalCount: Number((await count(reads.pool, reads.tenant, wanted)).value) } : {}),
        },
      };
    },
  });
};

/** A parameter that may be given several times. */
export const several = <Item extends z.ZodType>(item: Item, description: string) =>
  z.array(item).min(1).max(20).optional().meta({ description });
