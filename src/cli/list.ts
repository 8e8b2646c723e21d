import { ListProjections, type TypedDocument } from 'baton-client';
import { type Command, Option } from 'commander';
import { MAX_PAGE } from '../projections/page-size.ts';
import type { Client } from './client.ts';
import { type ServerOptions, withClient } from './connection.ts';
import { type Column, oneLine, table } from './format.ts';
import { type Freshness, freshness } from './freshness.ts';
import { integer } from './parse.ts';
import { print } from './print.ts';
import type { Terminal } from './terminal.ts';

export type ListOptions = Freshness & { readonly limit: number; readonly after?: string };

export type Listed<Node> = {
  readonly items: readonly Node[];
  readonly totalCount: number;
  /** Pass it as `--after` to continue; null at the end. */
  readonly next: string | null;
};

const MAX_LIMIT = 10_000;

export const listOptions = (command: Command): Command =>
  freshness(
    command
      .addOption(new Option('--limit <n>', `how many, up to ${MAX_LIMIT}`).argParser(integer(1, MAX_LIMIT)).default(50))
      .option('--after <cursor>', 'continue after this cursor: `next` of the previous list'),
  );

/** A query for one page of a list. */
export type PageQuery<Node, Filter> = TypedDocument<
  {
    readonly page: {
      readonly nodes: readonly Node[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
      readonly totalCount?: number;
    };
  },
  {
    filter?: Filter | null | undefined;
    first: number;
    after?: string | null | undefined;
    atLeast?: string | null | undefined;
    withTotal: boolean;
  }
>;

/** Reads pages until there are `limit` items. */
export const readList = async <Node, Filter>(
  client: Client,
  query: PageQuery<Node, Filter>,
  filter: NoInfer<Filter>,
  { limit, after, atLeast }: ListOptions,
): Promise<Listed<Node>> => {
  const items: Node[] = [];
  let totalCount = 0;
  let next = after ?? null;
  do {
    const first = Math.min(MAX_PAGE, limit - items.length);
    const { page } = await client.execute(query, {
      filter,
      first,
      after: next,
      atLeast,
      withTotal: items.length === 0,
    });
    items.push(...page.nodes);
    totalCount = page.totalCount ?? totalCount;
    next = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  } while (next !== null && items.length < limit);
  return { items, totalCount, next };
};

/** The line below a list that has more to show. */
const remainder = ({ items, totalCount, next }: Listed<unknown>, word: string): string => {
  if (next === null) return items.length === 0 ? `no ${word}\n` : '';
  return `\n${items.length} of ${totalCount} ${word}; for the next ones: --after ${next}\n`;
};

/** How a list is shown to people. */
export type ListView<Node> = {
  /** What its items are, in the plural. */
  readonly word: string;
  readonly columns: readonly Column[];
  readonly rowOf: (node: Node, colour: boolean) => string[];
};

/** Reads a list and prints it. */
export const showList = async <Node, Filter>(
  terminal: Terminal,
  options: ServerOptions & ListOptions,
  query: PageQuery<Node, Filter>,
  filter: NoInfer<Filter>,
  { word, columns, rowOf }: ListView<NoInfer<Node>>,
): Promise<void> => {
  const found = await withClient(terminal, options, (client) => readList(client, query, filter, options));
  print(terminal, options.json, found, () => {
    const rows = found.items.map((node) => rowOf(node, terminal.colour));
    return `${rows.length === 0 ? '' : table(columns, rows)}${remainder(found, word)}`;
  });
};

/** Tells when the list lacks what is in the log, because something keeps its projection from going on. */
export const warnIfBehind = async (terminal: Terminal, options: ServerOptions, projection: string): Promise<void> => {
  const { projections } = await withClient(terminal, options, (client) => client.execute(ListProjections, {}));
  const found = projections.find(({ name }) => name === projection);
  if (!found?.reason || found.lagEvents === 0) return;
  terminal.err(`warning: this list lacks ${found.lagEvents} events of the log: ${oneLine(found.reason, 200)}\n`);
};
