import { BatonError } from 'baton-client';
import { numberOf } from '../wording/sentences.ts';
import type { Client } from './client.ts';
import { failureOf } from './client-failure.ts';
import { type ServerOptions, withClient } from './connection.ts';
import { Ended, EXIT, Failure } from './failure.ts';
import { print } from './print.ts';
import { type Progress, progressBar } from './progress.ts';
import type { Terminal } from './terminal.ts';

/** The server accepts bodies of 2 MiB; the rest of the request is small. */
const MAX_CHUNK_BYTES = 1_500_000;
const SHOWN_ERRORS = 20;

/** What became of one item. */
type Outcome = {
  readonly accepted: { readonly position: string } | null;
  readonly error: { readonly message: string } | null;
};

type Placed<Item> = { readonly place: string; readonly item: Item };

/** A command for many items of a file, in requests of a bounded size. */
export type Many<Item, Answer extends Outcome> = {
  /** What one of them is called, and what happens to it: `task`, `submitting`, `submitted`. */
  readonly words: { readonly item: string; readonly doing: string; readonly done: string };
  readonly items: readonly Placed<Item>[];
  /** Items in a request at most. */
  readonly most: number;
  readonly send: (client: Client, items: Item[]) => Promise<readonly Answer[]>;
  /** The line of an accepted item. */
  readonly lineOf: (answer: Answer) => string;
};

type Keyed = { readonly idempotencyKey?: string | null | undefined };

/** Items without a key of their own get one from the prefix and their place in the file. */
export const keyed = <Item extends Keyed>(items: readonly Item[], prefix: string | undefined): Item[] =>
  items.map((item, index) => ({
    ...item,
    idempotencyKey: item.idempotencyKey ?? (prefix === undefined ? undefined : `${prefix}/${index}`),
  }));

function* chunksOf<Item>(items: readonly Placed<Item>[], most: number): Generator<Placed<Item>[]> {
  let chunk: Placed<Item>[] = [];
  let bytes = 0;
  for (const placed of items) {
    const size = JSON.stringify(placed.item).length;
    if (chunk.length === most || (bytes + size > MAX_CHUNK_BYTES && chunk.length > 0)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(placed);
    bytes += size;
  }
  yield chunk;
}

const sendAll = async <Item, Answer extends Outcome>(
  client: Client,
  { items, most, send, words }: Many<Item, Answer>,
  progress: Progress,
): Promise<(Answer & { readonly place: string })[]> => {
  const outcomes: (Answer & { readonly place: string })[] = [];
  for (const chunk of chunksOf(items, most)) {
    try {
      const answers = await send(
        client,
        chunk.map(({ item }) => item),
      );
      outcomes.push(...answers.map((answer, index) => ({ ...answer, place: chunk[index]?.place ?? '' })));
      progress.update(outcomes.length);
    } catch (error) {
      if (!(error instanceof BatonError) || outcomes.length === 0) throw error;
      const { exitCode, message, code, issues } = failureOf(error);
      const sent = `${outcomes.length} of ${numberOf(items.length, words.item)} had been ${words.done}`;
      const advice = `with --idempotency-key the command can be repeated without ${words.doing} a ${words.item} twice`;
      throw new Failure(exitCode, `${message}; ${sent}`, { code, issues, advice });
    }
  }
  return outcomes;
};

/** Pass it as `--at-least` to see every accepted item. */
const lastPosition = (outcomes: readonly Outcome[]): string | null => {
  let last: bigint | undefined;
  for (const { accepted } of outcomes) {
    const position = accepted === null ? undefined : BigInt(accepted.position);
    if (position !== undefined && (last === undefined || position > last)) last = position;
  }
  return last === undefined ? null : String(last);
};

/** Sends all items and reports what became of each. Errors: `Ended` when some were refused. */
export const performMany = async <Item, Answer extends Outcome>(
  terminal: Terminal,
  options: ServerOptions,
  many: Many<Item, Answer>,
): Promise<void> => {
  const { items, words, lineOf } = many;
  const progress = progressBar(terminal, words.doing, items.length);
  const outcomes = await withClient(terminal, options, (client) => sendAll(client, many, progress)).finally(() =>
    progress.stop(),
  );
  const failed = outcomes.filter(({ error }) => error !== null);
  for (const { place, error } of failed.slice(0, SHOWN_ERRORS)) terminal.err(`${place}: ${error?.message}\n`);
  if (failed.length > SHOWN_ERRORS) terminal.err(`… and ${failed.length - SHOWN_ERRORS} more\n`);
  const done = outcomes.length - failed.length;
  const position = lastPosition(outcomes);
  print(terminal, options.json, { [words.done]: done, failed: failed.length, position, items: outcomes }, () =>
    outcomes.map((outcome) => (outcome.accepted === null ? '' : `${lineOf(outcome)}\n`)).join(''),
  );
  const refused = failed.length === 0 ? '' : `, ${failed.length} refused`;
  if (options.json !== true) terminal.err(`${numberOf(done, words.item)} ${words.done}${refused}\n`);
  if (failed.length > 0) throw new Ended(EXIT.failed);
};
