import { convertToCommandError } from '@eventstore/db-client';
import { unpackToCommandError } from '@eventstore/db-client/dist/streams/appendToStream/unpackError.js';
import streamsPb from '@eventstore/db-client/generated/streams_pb.js';
import type { Clock } from '../platform/clock.ts';
import { AppError } from '../platform/errors.ts';
import type { AppendCall } from './esdb-connection.ts';
import { type Answer, encodeAppend, type RawEvent } from './esdb-wire.ts';
import type { ExpectedRevision, NewEvent, Position, Revision } from './event-store.ts';

/** Larger than any sensible append limit. A message beyond the server's 16 MiB would break the call for all other appends. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
/**
 * Sent as an instant on the server's clock: with a clock that is behind by more, every append would time out. `silenceMs` limits how long
 * one is waited for.
 */
const DEADLINE_MS = 3_600_000;

export type Appended = { readonly revision: Revision; readonly position: Position | undefined };

type Pending = {
  readonly stream: string;
  /** On the monotonic clock. */
  readonly sentAt: number;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Appends over one `BatchAppend` call, like the client itself, but without its problems: the client's promise never settles when the
 * server stays silent; when the connection breaks, it throws an unhandled rejection (which ends the process) for each append that waits
 * to be written; a failure of one client fails the appends of all others in the process; and it takes twice the processor time.
 *
 * Errors are those of the client, or plain ones when the server fell silent or ended the call: then the outcome is unknown.
 */
export class EsdbAppender {
  readonly #openCall: () => Promise<AppendCall>;
  readonly #clock: Clock;
  readonly #silenceMs: number;
  /** In the order in which they were sent, which is the order in which they time out. */
  readonly #pending = new Map<number, Pending>();
  #unsent: { readonly number: number; readonly message: Buffer }[] = [];
  #call: AppendCall | undefined;
  #state: 'closed' | 'opening' | 'open' | 'blocked' = 'closed';
  #nextNumber = 1;
  /** When the server answered last, on the monotonic clock. */
  #answeredAt = Number.NEGATIVE_INFINITY;
  #cancelWatch: (() => void) | undefined;

  constructor(openCall: () => Promise<AppendCall>, clock: Clock, silenceMs: number) {
    this.#openCall = openCall;
    this.#clock = clock;
    this.#silenceMs = silenceMs;
  }

  append(
    stream: string,
    events: readonly (NewEvent | RawEvent)[],
    expectedRevision: ExpectedRevision,
  ): Promise<Appended> {
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    const deadlineMs = this.#clock.now() + DEADLINE_MS;
    const message = encodeAppend({ number, stream, events, expectedRevision, deadlineMs });
    if (message.length > MAX_MESSAGE_BYTES)
      throw new AppError('BAD_USER_INPUT', `too large to be recorded: ${message.length} bytes in one append`, {
        details: { limit: MAX_MESSAGE_BYTES, seen: message.length },
      });
    return new Promise((resolve, reject) => {
      this.#pending.set(number, { stream, sentAt: this.#clock.monotonic(), resolve, reject });
      this.#watch();
      if (this.#state === 'open') this.#write(message);
      else this.#unsent.push({ number, message });
      if (this.#state === 'closed') void this.#open();
    });
  }

  /** Fails the appends that wait for their answer; whether they were written is unknown. */
  close(): void {
    this.#cancelWatch?.();
    const call = this.#call;
    this.#lose(new Error('the event store client was closed'));
    call?.cancel();
  }

  async #open(): Promise<void> {
    this.#state = 'opening';
    let call: AppendCall;
    try {
      call = await this.#openCall();
    } catch (error) {
      this.#lose(error);
      return;
    }
    call.on('data', (answer: Answer) => this.#onAnswer(answer));
    call.on('error', (error: Error) => this.#onEnd(call, convertToCommandError(error)));
    call.on('end', () => this.#onEnd(call, new Error('the event store ended the appends')));
    call.on('drain', () => {
      if (this.#call === call) this.#flush();
    });
    this.#call = call;
    this.#flush();
  }

  #onEnd(call: AppendCall, error: unknown): void {
    if (this.#call === call) this.#lose(error);
  }

  #lose(error: unknown): void {
    this.#call = undefined;
    this.#state = 'closed';
    this.#unsent = [];
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of lost) reject(error);
  }

  #flush(): void {
    this.#state = 'open';
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const [index, { number, message }] of unsent.entries()) {
      if (this.#state !== 'open') {
        this.#unsent = unsent.slice(index);
        return;
      }
      if (this.#pending.has(number)) this.#write(message); // otherwise it timed out while it waited
    }
  }

  #write(message: Buffer): void {
    if (this.#call?.write(message) === false) this.#state = 'blocked';
  }

  #onAnswer({ number, revision, position, message }: Answer): void {
    this.#answeredAt = this.#clock.monotonic();
    const pending = this.#pending.get(number);
    if (pending === undefined) return; // timed out
    this.#pending.delete(number);
    if (revision !== undefined) pending.resolve({ revision, position });
    else pending.reject(refusalOf(message, pending.stream));
  }

  /**
   * An append is given up when the server is silent: while it answers others, this one waits for its turn, however many are before it. Not
   * beyond the server's own deadline.
   */
  #giveUpAt({ sentAt }: Pending): number {
    return Math.min(Math.max(sentAt, this.#answeredAt) + this.#silenceMs, sentAt + DEADLINE_MS);
  }

  /** One timer for all appends: the oldest times out first. */
  #watch(): void {
    const oldest = this.#pending.values().next().value;
    if (this.#cancelWatch !== undefined || oldest === undefined) return;
    this.#cancelWatch = this.#clock.schedule(this.#giveUpAt(oldest) - this.#clock.monotonic(), () => {
      this.#cancelWatch = undefined;
      this.#giveUp();
      this.#watch();
    });
  }

  #giveUp(): void {
    const now = this.#clock.monotonic();
    for (const [number, pending] of this.#pending) {
      if (this.#giveUpAt(pending) > now) return;
      this.#pending.delete(number);
      pending.reject(new Error(`the event store did not answer within ${this.#silenceMs} ms`));
    }
  }
}

const refusalOf = (message: Buffer, stream: string): Error => {
  const status = streamsPb.BatchAppendResp.deserializeBinary(message).getError();
  return status === undefined
    ? new Error('the event store sent an answer without a result')
    : unpackToCommandError(status, stream);
};
