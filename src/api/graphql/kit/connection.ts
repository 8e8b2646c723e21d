import type { ObjectRef } from '@pothos/core';
import type { Position } from '../../../eventstore/event-store.ts';
import type { Page, PageRequest } from '../../../projections/page.ts';
import { DEFAULT_PAGE_SIZE, MAX_PAGE } from '../../../projections/page-size.ts';
import type { Reading } from '../../../projections/snapshot.ts';
import type { Builder, SchemaTypes } from './builder.ts';
import type { ApiContext } from './context.ts';

type Edge<Row> = Page<Row>['edges'][number];

/** A page of a list, and how to count the whole list if the client asks for it. */
export type Connection<Row> = {
  readonly page: Page<Row>;
  readonly isFirst: boolean;
  readonly count: () => Promise<bigint>;
};

type PageInfo = {
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  readonly startCursor: string | null;
  readonly endCursor: string | null;
};

const pageInfoOf = ({ page, isFirst }: Connection<unknown>): PageInfo => ({
  hasNextPage: page.hasNextPage,
  hasPreviousPage: !isFirst,
  startCursor: page.edges[0]?.cursor ?? null,
  endCursor: page.edges.at(-1)?.cursor ?? null,
});

export const addConnections = (builder: Builder) => {
  const PageInfo = builder.objectRef<PageInfo>('PageInfo').implement({
    fields: (t) => ({
      hasNextPage: t.exposeBoolean('hasNextPage'),
      hasPreviousPage: t.exposeBoolean('hasPreviousPage'),
      startCursor: t.exposeString('startCursor', { nullable: true }),
      endCursor: t.exposeString('endCursor', { nullable: true, description: 'Pass it as `after` for the next page.' }),
    }),
  });
  /** The connection of a node type: newest first, by keyset. */
  return <Row>(name: string, Node: ObjectRef<SchemaTypes, Row>) => {
    const Edge = builder.objectRef<Edge<Row>>(`${name}Edge`).implement({
      fields: (t) => ({
        cursor: t.exposeString('cursor'),
        node: t.field({ type: Node, resolve: (edge) => edge.node as never }),
      }),
    });
    return builder.objectRef<Connection<Row>>(`${name}Connection`).implement({
      fields: (t) => ({
        nodes: t.field({ type: [Node], resolve: ({ page }) => page.edges.map(({ node }) => node) as never }),
        edges: t.field({ type: [Edge], resolve: ({ page }) => page.edges }),
        pageInfo: t.field({ type: PageInfo, resolve: pageInfoOf }),
        totalCount: t.field({
          type: 'SafeInt',
          description: 'Length of the whole list, exactly; counted only when asked for.',
          resolve: ({ count }) => count(),
        }),
        asOf: t.field({
          type: 'Position',
          description: 'The page includes everything up to here, and nothing later.',
          resolve: ({ page }) => page.position,
        }),
      }),
    });
  };
};

export type AddConnection = ReturnType<typeof addConnections>;

/** The arguments of every list. */
export type PageArguments = {
  readonly first: number;
  readonly after?: string | null | undefined;
  readonly atLeast?: Position | null | undefined;
};

export const FIRST = {
  defaultValue: DEFAULT_PAGE_SIZE,
  required: true,
  description: `1 to ${MAX_PAGE}.`,
} as const;
export const AFTER = {
  description: '`endCursor` of the previous page, from the same list with the same filter.',
} as const;
export const AT_LEAST = {
  type: 'Position',
  description: 'Wait until the answer includes everything up to this position, as returned by a mutation.',
} as const;

/** Reads one page, after the read models have reached `atLeast`. */
export const readConnection = async <Row>(
  { reads }: ApiContext,
  { first, after, atLeast }: PageArguments,
  list: (page: PageRequest) => Promise<Page<Row>>,
  count: () => Promise<Reading<bigint>>,
): Promise<Connection<Row>> => {
  reads.atLeast(atLeast);
  const page = await list({ first, ...(typeof after === 'string' ? { after } : {}) });
  reads.reflected(page.position);
  return { page, isFirst: typeof after !== 'string', count: () => reads.of(count()) };
};
