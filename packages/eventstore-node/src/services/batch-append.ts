import type { Call } from '../grpc/call.ts';
import { GrpcError, Status } from '../grpc/status.ts';
import { MalformedMessage, ProtoReader } from '../protobuf/reader.ts';
import type { ProposedEvent } from '../storage/record.ts';
import type { Expected } from '../store/append-rules.ts';
import type { Outcome } from '../store/operations.ts';
import {
  BadAppend,
  type BatchFragment,
  checkStreamName,
  MissingMetadata,
  readBatchFragment,
  readProposedEvent,
  type StreamRef,
  type WriteOptions,
} from '../wire/append-request.ts';
import {
  type BatchFailure,
  batchAccessDenied,
  batchBadRequest,
  batchDone,
  batchFailed,
  batchStreamDeleted,
  batchTimeout,
  batchTooLarge,
  batchUnavailable,
  batchWrongVersion,
} from '../wire/append-response.ts';
import { failureCode } from '../wire/write-errors.ts';
import type { NodeContext } from './context.ts';
import { MAX_APPEND_REQUEST_BYTES, MAX_APPEND_SIZE } from './limits.ts';

/** How long an append without a deadline may wait for its last fragment. */
const DEFAULT_TIMEOUT_MS = 10_000;
const EXPIRY_CHECK_MS = 50;
/** Requests of unfinished appends that one call may keep in memory. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;
/** Appends without their last fragment that one call may have, those that have failed among them. */
const MAX_UNFINISHED = 10_000;

/** `Streams.BatchAppend`: many appends share the call, each in one or more fragments, each answered exactly once. */
export const handleBatchAppend = (context: NodeContext, call: Call): void => {
  const batch = new BatchCall(context, call);
  call.onMessage = (message) => batch.receive(message);
  call.onHalfClose = () => batch.halfClose();
  call.onDrain = () => batch.drained();
  call.onClose = () => batch.close();
};

/** An append that is still arriving; `failed` = answered already, the rest of its fragments is ignored. */
type Arriving = {
  readonly correlation: Buffer;
  readonly stream: StreamRef;
  readonly expected: Expected;
  readonly deadlineMs: number;
  readonly events: ProposedEvent[];
  dataBytes: number;
  requestBytes: number;
  failed: boolean;
};

class BatchCall {
  /** Appends of several fragments, by correlation id. */
  readonly #arriving = new Map<string, Arriving>();
  #expiry: NodeJS.Timeout | undefined;
  #answers: Buffer[] = [];
  #unanswered = 0;
  #heldBytes = 0;
  #halfClosed = false;
  #waitsForRoom = false;
  #waitsForDrain = false;
  readonly #context: NodeContext;
  readonly #call: Call;

  constructor(context: NodeContext, call: Call) {
    this.#context = context;
    this.#call = call;
  }

  receive(message: Buffer): void {
    const now = this.#context.now();
    const fragment = readBatchFragment(message, now);
    if (fragment.correlation.length === 0) {
      throw new GrpcError(Status.invalidArgument, 'the correlation id is missing');
    }
    const append = this.#appendOf(fragment, now);
    if (!append) return;
    if (!append.failed) this.#take(append, fragment, message, now);
    if (fragment.isFinal) this.#arriving.delete(keyOf(fragment));
    if (fragment.isFinal && !append.failed) this.#submit(append);
  }

  /** Appends that are not complete now never will be. */
  halfClose(): void {
    this.#halfClosed = true;
    for (const append of this.#arriving.values()) if (!append.failed) this.#refuse(append, batchTimeout);
    this.#endWhenAnswered();
  }

  drained(): void {
    this.#waitsForDrain = false;
    this.#holdBack();
  }

  close(): void {
    clearInterval(this.#expiry);
    this.#arriving.clear();
  }

  /** The append this fragment belongs to; undefined for a fragment of an append that was never opened. */
  #appendOf(fragment: BatchFragment, now: number): Arriving | undefined {
    const known = this.#arriving.size > 0 ? this.#arriving.get(keyOf(fragment)) : undefined;
    if (known || !fragment.options) return known;
    if (this.#arriving.size >= MAX_UNFINISHED) {
      throw new GrpcError(Status.resourceExhausted, `more than ${MAX_UNFINISHED} appends are unfinished`);
    }
    const append = openAppend(fragment, fragment.options, now);
    this.#unanswered++;
    if (!fragment.isFinal) {
      this.#arriving.set(keyOf(fragment), append);
      this.#expiry ??= setInterval(() => this.#expire(), EXPIRY_CHECK_MS);
    }
    const { access } = this.#context;
    const allowed = access.allows(this.#call.caller, 'write', append.stream.name);
    const refusal = allowed ? refusalOf(fragment.options) : batchAccessDenied;
    if (refusal) this.#refuse(append, refusal);
    return append;
  }

  #take(append: Arriving, fragment: BatchFragment, message: Buffer, now: number): void {
    append.requestBytes += message.length;
    this.#heldBytes += message.length;
    const problem =
      append.deadlineMs < now
        ? batchTimeout
        : this.#heldBytes > MAX_HELD_BYTES
          ? tooMuchUnfinished
          : readEvents(append, fragment, message);
    if (problem) this.#refuse(append, problem);
  }

  #submit(append: Arriving): void {
    const { committer } = this.#context;
    this.#heldBytes -= append.requestBytes;
    committer.submit({
      kind: 'append',
      streamName: append.stream.name,
      nameBytes: append.stream.bytes,
      expected: append.expected,
      events: append.events,
      bytes: append.requestBytes,
      deadlineMs: append.deadlineMs,
      settle: (outcome) => this.#settle(append, outcome),
    });
    if (!committer.isFull || this.#waitsForRoom) return;
    this.#waitsForRoom = true;
    this.#holdBack();
    committer.onceRoom(() => {
      this.#waitsForRoom = false;
      this.#holdBack();
    });
  }

  /** While the node stops an append is not answered one by one: the call ends with UNAVAILABLE in a moment. */
  #settle(append: Arriving, outcome: Outcome): void {
    if (outcome.kind === 'failed' && outcome.cause === 'stopping') return;
    this.#answer(answerOf(append, outcome));
  }

  /** Accepts no more requests while the writer is behind, or the client does not read its answers. */
  #holdBack(): void {
    if (this.#waitsForRoom || this.#waitsForDrain) this.#call.pause();
    else this.#call.resume();
  }

  #refuse(append: Arriving, failure: BatchFailure): void {
    append.failed = true;
    this.#heldBytes -= append.requestBytes;
    append.events.length = 0;
    this.#answer(batchFailed(append.correlation, append.stream.bytes, failure));
  }

  #expire(): void {
    const now = this.#context.now();
    let open = 0;
    for (const append of this.#arriving.values()) {
      if (!append.failed && append.deadlineMs < now) this.#refuse(append, batchTimeout);
      if (!append.failed) open++;
    }
    if (open > 0) return;
    clearInterval(this.#expiry);
    this.#expiry = undefined;
  }

  /** Answers that are due in the same turn leave in one write. */
  #answer(frame: Buffer): void {
    this.#unanswered--;
    if (this.#answers.push(frame) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const frames = this.#answers;
    this.#answers = [];
    this.#waitsForDrain = !this.#call.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames));
    if (this.#waitsForDrain) this.#holdBack();
    this.#endWhenAnswered();
  }

  #endWhenAnswered(): void {
    if (this.#halfClosed && this.#unanswered === 0 && this.#answers.length === 0) this.#call.end();
  }
}

const tooMuchUnfinished = batchUnavailable(Status.unavailable, 'too many appends of this call are unfinished');

const keyOf = ({ correlation }: BatchFragment): string => correlation.toString('latin1');

const openAppend = ({ correlation }: BatchFragment, options: WriteOptions, now: number): Arriving => ({
  correlation,
  stream: options.stream,
  expected: options.expected ?? 'any',
  deadlineMs: options.deadlineMs === Number.POSITIVE_INFINITY ? now + DEFAULT_TIMEOUT_MS : options.deadlineMs,
  events: [],
  dataBytes: 0,
  requestBytes: 0,
  failed: false,
});

const refusalOf = ({ stream, expected }: WriteOptions): BatchFailure | undefined => {
  if (expected === undefined) return batchBadRequest('the expected stream position is missing');
  return badRequestOf(() => {
    checkStreamName(stream);
    return undefined;
  });
};

const readEvents = (append: Arriving, { messages }: BatchFragment, request: Buffer): BatchFailure | undefined =>
  badRequestOf(() => {
    for (let i = 0; i < messages.length; i += 2) {
      const event = readProposedEvent(new ProtoReader(request, messages[i], messages[i + 1]));
      append.events.push(event);
      append.dataBytes += event.dataEnd - event.dataStart;
    }
    const tooLarge = append.dataBytes > MAX_APPEND_SIZE || append.requestBytes > MAX_APPEND_REQUEST_BYTES;
    return tooLarge ? batchTooLarge(MAX_APPEND_SIZE) : undefined;
  });

const badRequestOf = (read: () => BatchFailure | undefined): BatchFailure | undefined => {
  try {
    return read();
  } catch (error) {
    if (error instanceof MissingMetadata) return batchBadRequest(`required metadata is missing: ${error.message}`);
    if (error instanceof BadAppend || error instanceof MalformedMessage) return batchBadRequest(error.message);
    throw error;
  }
};

const answerOf = ({ correlation, stream, expected }: Arriving, outcome: Outcome): Buffer => {
  switch (outcome.kind) {
    case 'done':
      return batchDone(correlation, outcome.revision, outcome.position);
    case 'wrongExpectedVersion':
      return batchFailed(correlation, stream.bytes, batchWrongVersion(outcome.current, expected));
    case 'streamDeleted':
      return batchFailed(correlation, stream.bytes, batchStreamDeleted(stream.bytes));
    case 'timedOut':
      return batchFailed(correlation, stream.bytes, batchTimeout);
    case 'failed':
      return batchFailed(correlation, stream.bytes, batchUnavailable(failureCode(outcome), outcome.message));
  }
};
