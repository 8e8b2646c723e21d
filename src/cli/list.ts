import { type Command, Option } from 'commander';
import { MAX_PAGE_SIZE } from '../api/graphql/kit/limits.ts';
import type { Client } from './client.ts';
import { type Freshness, freshness } from './freshness.ts';
import { integer } from './parse.ts';

export type ListOptions = Freshness & { readonly limit: number; readonly after?: string };

export type Listed<Node> = {
  readonly items: readonly Node[];
  readonly totalCount: number;
  /** Pass it as `--after` to go on; null at the end. */
  readonly next: string | null;
};

const MOST = 10_000;

export const listOptions = (command: Command): Command =>
  freshness(
    command
      .addOption(new Option('--limit <n>', `how many, up to ${MOST}`).argParser(integer(1, MOST)).default(50))
      .option('--after <cursor>', 'go on after this one, from `next` of the list before'),
  );

export type ListQuery = {
  /** Root field and the type of its filter. */
  readonly field: string;
  readonly filterType: string;
  /** Fields of a node. */
  readonly selection: string;
};

const documentOf = ({ field, filterType, selection }: ListQuery): string => `
  query ($filter: ${filterType}, $first: Int!, $after: String, $atLeast: Position, $isFirst: Boolean!) {
    list: ${field}(filter: $filter, first: $first, after: $after, atLeast: $atLeast) {
      nodes { ${selection} }
      pageInfo { hasNextPage endCursor }
      totalCount @include(if: $isFirst)
    }
  }`;

type Answer<Node> = {
  readonly list: {
    readonly nodes: readonly Node[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
    readonly totalCount?: number;
  };
};

/** Reads pages until there are `limit` items. */
export const readList = async <Node>(
  client: Client,
  query: ListQuery,
  filter: Readonly<Record<string, unknown>>,
  { limit, after, atLeast }: ListOptions,
): Promise<Listed<Node>> => {
  const items: Node[] = [];
  let totalCount = 0;
  let next: string | null = after ?? null;
  do {
    const isFirst = items.length === 0;
    const variables = { filter, first: Math.min(MAX_PAGE_SIZE, limit - items.length), after: next, atLeast, isFirst };
    const { list } = await client.execute<Answer<Node>>(documentOf(query), variables);
    items.push(...list.nodes);
    totalCount = list.totalCount ?? totalCount;
    next = list.pageInfo.hasNextPage ? list.pageInfo.endCursor : null;
  } while (next !== null && items.length < limit);
  return { items, totalCount, next };
};

/** What stands below a list that has more to show. */
export const remainder = ({ items, totalCount, next }: Listed<unknown>, word: string): string => {
  if (next === null) return items.length === 0 ? `no ${word}\n` : '';
  return `\n${items.length} of ${totalCount} ${word}; the next ones: --after ${next}\n`;
};
