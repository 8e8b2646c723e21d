import type { StreamAction } from '../access/access.ts';
import type { Call } from '../grpc/call.ts';
import { ProtoWriter } from '../protobuf/writer.ts';
import type { ExpectedState, ExpectedStream, MultiOutcome, StreamRecord } from '../store/operations.ts';
import { BadAppend, type StreamRef } from '../wire/append-request.ts';
import {
  checkName,
  type RecordToAppend,
  readRecord,
  readRecordsAppend,
  readStreamAppend,
} from '../wire/v2-append-request.ts';
import {
  alreadyInSession,
  noRequests,
  recordsViolated,
  recordTooLarge,
  sessionViolated,
  transactionTooLarge,
  v2AccessDenied,
  v2RequestError,
  v2Unfinished,
} from '../wire/v2-errors.ts';
import { secondMessage } from '../wire/write-errors.ts';
import type { NodeContext } from './context.ts';
import { MAX_APPEND_REQUEST_BYTES, MAX_APPEND_SIZE } from './limits.ts';

export const MULTI_APPEND_SERVICE = 'kurrentdb.protocol.v2.streams.StreamsService';

/** Streams and records of one append. The node decides an append in one go; with more, it holds up all others. */
const MAX_PARTS = 100_000;

/** `StreamsService.AppendSession`: one request for each stream, then half-close; one answer. */
const handleAppendSession = (context: NodeContext, call: Call): void => {
  const append = new ArrivingAppend();
  const deadlineMs = call.deadlineMs(context.now());
  call.onMessage = (message) =>
    translated(() => {
      append.arrived(message.length);
      const { stream, expected, records } = readStreamAppend(message);
      checkAccess(context, call, 'write', stream.name);
      if (append.find(stream.name) !== undefined) throw alreadyInSession(stream.name);
      const index = append.addStream(stream, expected);
      for (const record of records) append.addRecord(index, readRecord(record));
    });
  call.onHalfClose = () => {
    if (append.streams.length === 0) throw noRequests();
    submit(context, append, deadlineMs, (outcome) => {
      if (outcome.kind === 'done') respond(call, sessionResponse(append.streams, outcome));
      else if (outcome.kind === 'violated') call.fail(sessionViolated(append.streams, outcome.violations[0]));
      else call.fail(v2Unfinished(outcome));
    });
  };
};

/** `StreamsService.AppendRecords`: one request with records for any streams, and checks of any. */
const handleAppendRecords = (context: NodeContext, call: Call): void => {
  let append: ArrivingAppend | undefined;
  const deadlineMs = call.deadlineMs(context.now());
  call.onMessage = (message) => {
    if (append) throw secondMessage();
    const arrived = translated(() => readRecords(message));
    for (const { streamName } of arrived.streams) checkAccess(context, call, arrived.actionOn(streamName), streamName);
    append = arrived;
  };
  call.onHalfClose = () => {
    const arrived = append;
    if (!arrived) throw v2RequestError(new BadAppend('the call carried no request'));
    submit(context, arrived, deadlineMs, (outcome) => {
      if (outcome.kind === 'done') respond(call, recordsResponse(arrived.streams, outcome));
      else if (outcome.kind === 'violated') call.fail(recordsViolated(arrived.streams, outcome.violations));
      else call.fail(v2Unfinished(outcome));
    });
  };
};

const readRecords = (message: Buffer): ArrivingAppend => {
  const append = new ArrivingAppend();
  append.arrived(message.length);
  const { records, checks } = readRecordsAppend(message);
  for (const { stream, expected } of checks) {
    if (append.find(stream.name) !== undefined) {
      throw new BadAppend(`stream "${stream.name.slice(0, 80)}" is checked twice`);
    }
    append.addStream(stream, expected);
  }
  for (const reader of records) {
    const record = readRecord(reader);
    checkName(record.stream);
    append.addRecord(append.find(record.stream.name) ?? append.addStream(record.stream, 'any'), record);
  }
  return append;
};

/** The streams and records of an append, counted as they arrive. */
class ArrivingAppend {
  readonly streams: ExpectedStream[] = [];
  readonly records: StreamRecord[] = [];
  requestBytes = 0;
  readonly #indexes = new Map<string, number>();
  readonly #written = new Set<number>();
  #size = 0;

  arrived(bytes: number): void {
    this.requestBytes += bytes;
    if (this.requestBytes > MAX_APPEND_REQUEST_BYTES) {
      throw transactionTooLarge(this.records.length, this.requestBytes, MAX_APPEND_REQUEST_BYTES);
    }
  }

  find(streamName: string): number | undefined {
    return this.#indexes.get(streamName);
  }

  addStream({ name, bytes }: StreamRef, expected: ExpectedState): number {
    this.#count();
    const index = this.streams.push({ streamName: name, nameBytes: bytes, expected }) - 1;
    this.#indexes.set(name, index);
    return index;
  }

  addRecord(stream: number, { event, size }: RecordToAppend): void {
    this.#count();
    const { streamName } = this.streams[stream] as ExpectedStream;
    if (size > MAX_APPEND_SIZE) throw recordTooLarge(streamName, event.id, size, MAX_APPEND_SIZE);
    this.#size += size;
    this.records.push({ stream, event });
    this.#written.add(stream);
    if (this.#size > MAX_APPEND_SIZE) throw transactionTooLarge(this.records.length, this.#size, MAX_APPEND_SIZE);
  }

  /** What the caller must be allowed to do. */
  actionOn(streamName: string): 'read' | 'write' {
    return this.#written.has(this.#indexes.get(streamName) as number) ? 'write' : 'read';
  }

  #count(): void {
    if (this.streams.length + this.records.length < MAX_PARTS) return;
    throw new BadAppend(`an append has at most ${MAX_PARTS} streams and records`);
  }
}

const submit = (
  { committer }: NodeContext,
  { streams, records, requestBytes }: ArrivingAppend,
  deadlineMs: number,
  settle: (outcome: MultiOutcome) => void,
): void => {
  committer.submit({ kind: 'multiAppend', streams, records, bytes: requestBytes, deadlineMs, settle });
};

const checkAccess = (
  { access }: NodeContext,
  { caller }: Call,
  action: StreamAction & ('read' | 'write'),
  streamName: string,
): void => {
  if (!access.allows(caller, action, streamName)) throw v2AccessDenied(action, streamName);
};

const translated = <T>(read: () => T): T => {
  try {
    return read();
  } catch (error) {
    throw v2RequestError(error);
  }
};

type Done = Extract<MultiOutcome, { kind: 'done' }>;

const sessionResponse = (streams: readonly ExpectedStream[], { revisions, position }: Done): ProtoWriter => {
  const response = new ProtoWriter();
  for (const [i, { nameBytes }] of streams.entries()) {
    response.message(1, streamRevision(nameBytes, revisions[i] as number));
  }
  return response.sint64(2, BigInt(position));
};

/** Streams that were only checked are left out. */
const recordsResponse = (streams: readonly ExpectedStream[], { revisions, position }: Done): ProtoWriter => {
  const response = new ProtoWriter();
  for (const [i, { nameBytes }] of streams.entries()) {
    const revision = revisions[i] as number;
    if (revision >= 0) response.message(1, streamRevision(nameBytes, revision));
  }
  return response.sint64(2, BigInt(position));
};

/** `AppendResponse` and `StreamRevision` agree on these fields. */
const streamRevision = (name: Buffer, revision: number): ProtoWriter =>
  new ProtoWriter().bytes(1, name).sint64(2, BigInt(revision));

const respond = (call: Call, response: ProtoWriter): void => {
  call.writeMessage(response.finish());
  call.end();
};

const HANDLERS = { AppendSession: handleAppendSession, AppendRecords: handleAppendRecords };

/** Names of the service's methods. */
export const MULTI_APPEND_METHODS = Object.keys(HANDLERS);

export const multiAppendMethods = (context: NodeContext): (readonly [path: string, handle: (call: Call) => void])[] =>
  Object.entries(HANDLERS).map(
    ([method, handle]) => [`/${MULTI_APPEND_SERVICE}/${method}`, (call: Call) => handle(context, call)] as const,
  );
