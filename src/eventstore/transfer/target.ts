import {
  AccessDeniedError,
  type EventStoreDBClient,
  MaxAppendSizeExceededError,
  StreamDeletedError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import { systemClock } from '../../platform/clock.ts';
import { AppError } from '../../platform/errors.ts';
import { EsdbAppender } from '../esdb-appender.ts';
import { openAppendCall } from '../esdb-connection.ts';
import type { Position, Revision } from '../event-store.ts';
import type { Batch } from './import-batches.ts';
import { headOf, readStreamRaw } from './raw-read.ts';

const SILENCE_MS = 30_000;

export type AppendAnswer =
  | { readonly kind: 'written' | 'present' }
  /** The stream is at another revision, or has other events; `actual` is its last revision, -1 without events. */
  | { readonly kind: 'differs'; readonly actual: Revision }
  /** The stream was deleted: the events were appended after those it had; this is the last revision. */
  | { readonly kind: 'behind'; readonly last: Revision }
  | { readonly kind: 'deleted' }
  | { readonly kind: 'tooLarge' | 'denied'; readonly message: string };

/** The store that the import writes to. */
export class Target {
  readonly #appender: EsdbAppender;
  readonly #head: Position;

  private constructor(
    readonly client: EventStoreDBClient,
    /** Of the log when the import began: what is at or before it was there. */
    head: Position,
  ) {
    this.#head = head;
    this.#appender = new EsdbAppender(() => openAppendCall(client), systemClock, SILENCE_MS);
  }

  static async open(client: EventStoreDBClient): Promise<Target> {
    return new Target(client, (await headOf(client)) ?? -1n);
  }

  /** Appends exactly at the batch's revision, in the order of the calls. Throws errors that are not about this batch, such as an unreachable server. */
  async append({ stream, from, events }: Batch): Promise<AppendAnswer> {
    try {
      const expected = from === 0n ? 'no_stream' : from - 1n;
      const { position, revision } = await this.#appender.append(stream, events, expected);
      if (revision !== from + BigInt(events.length) - 1n) return { kind: 'behind', last: revision };
      return { kind: position !== undefined && position > this.#head ? 'written' : 'present' };
    } catch (error) {
      return answerOf(error);
    }
  }

  /** The id that the target has at the first revision where it differs from the batch. */
  async firstDifference(batch: Batch): Promise<{ index: number; targetId: string | undefined } | undefined> {
    let index = 0;
    try {
      for await (const event of readStreamRaw(this.client, batch.stream, batch.from, batch.events.length)) {
        if (event.revision !== batch.from + BigInt(index)) return undefined; // truncated: it cannot be read
        if (event.id !== batch.events[index]?.id) return { index, targetId: event.id };
        index += 1;
      }
    } catch (error) {
      if (!(error instanceof StreamDeletedError)) throw error;
    }
    return index === 0 || index === batch.events.length ? undefined : { index, targetId: undefined };
  }

  close(): void {
    this.#appender.close();
  }
}

const answerOf = (error: unknown): AppendAnswer => {
  if (error instanceof WrongExpectedVersionError) {
    const { actualVersion } = error;
    return { kind: 'differs', actual: typeof actualVersion === 'bigint' ? actualVersion : -1n };
  }
  if (error instanceof StreamDeletedError) return { kind: 'deleted' };
  if (error instanceof MaxAppendSizeExceededError)
    return { kind: 'tooLarge', message: `the target takes at most ${error.maxAppendSize} bytes in one append` };
  if (error instanceof AppError && error.code === 'BAD_USER_INPUT') return { kind: 'tooLarge', message: error.message };
  if (error instanceof AccessDeniedError) return { kind: 'denied', message: 'the target denies access to the stream' };
  throw error;
};
