import { GrpcError, Status, type StatusCode } from '../grpc/status.ts';
import { MalformedMessage } from '../protobuf/reader.ts';
import { ProtoWriter } from '../protobuf/writer.ts';
import type { ExpectedState, ExpectedStream, Unfinished, Violation } from '../store/operations.ts';
import { BadAppend } from './append-request.ts';
import { codeOf } from './v2-append-request.ts';
import { failureCode } from './write-errors.ts';

/** Bytes of violations that an answer carries; with more, clients refuse the trailers. */
const MAX_VIOLATION_BYTES = 8 * 1024;
/** Characters of a stream name in an answer, for the same reason. */
const MAX_NAME = 1_000;
const MAX_MESSAGE = 1_000;

type Detail = {
  /** Full name of the protobuf type. */
  readonly type: string;
  readonly content: ProtoWriter;
};

/** Where the code belongs, as `google.rpc.ErrorInfo` names it. */
type Domain = 'streams' | 'server';

/** An error as the second version of the protocol has it: a `google.rpc.Status` with its reason and facts in a trailer. */
const detailedError = (
  code: StatusCode,
  [domain, reason]: readonly [Domain, string],
  message: string,
  detail?: Detail,
  trailers: Readonly<Record<string, string>> = {},
): GrpcError => {
  const info = { type: 'google.rpc.ErrorInfo', content: new ProtoWriter().text(1, reason).text(2, domain) };
  const status = new ProtoWriter().uint(1, code).text(2, message.slice(0, MAX_MESSAGE));
  for (const { type, content } of detail ? [info, detail] : [info]) {
    status.message(3, new ProtoWriter().text(1, `type.googleapis.com/${type}`).message(2, content));
  }
  const encoded = status.finish().toString('base64').replace(/=+$/, '');
  return new GrpcError(code, message, { ...trailers, 'grpc-status-details-bin': encoded });
};

const streamsDetail = (name: string, content: ProtoWriter): Detail => ({
  type: `kurrentdb.protocol.v2.streams.errors.${name}ErrorDetails`,
  content,
});

const shown = (streamName: string): string => streamName.slice(0, MAX_NAME).toWellFormed();

export const badRequest = (message: string): GrpcError => {
  const violation = new ProtoWriter().text(2, message);
  const detail = { type: 'google.rpc.BadRequest', content: new ProtoWriter().message(1, violation) };
  return detailedError(Status.invalidArgument, ['server', 'BAD_REQUEST'], message, detail);
};

/** Errors of reading a request. */
export const v2RequestError = (error: unknown): unknown => {
  if (error instanceof BadAppend) return badRequest(error.message);
  return error instanceof MalformedMessage ? badRequest(`the request is malformed: ${error.message}`) : error;
};

/** The trailer is what older calls carry; the client knows this error by it alone. */
export const v2AccessDenied = (action: 'read' | 'write', streamName: string): GrpcError => {
  const message = `Access denied: no permission to ${action} stream '${shown(streamName)}'.`;
  const detail = { type: 'kurrent.rpc.AccessDeniedErrorDetails', content: new ProtoWriter().text(1, action) };
  const trailers = { exception: 'access-denied' };
  return detailedError(Status.permissionDenied, ['server', 'ACCESS_DENIED'], message, detail, trailers);
};

export const noRequests = (): GrpcError =>
  detailedError(
    Status.failedPrecondition,
    ['streams', 'APPEND_SESSION_NO_REQUESTS'],
    'The append session ended without a request.',
  );

export const alreadyInSession = (streamName: string): GrpcError => {
  const message = `Stream '${shown(streamName)}' is in the append session twice. Send all its records in one request.`;
  const detail = streamsDetail('StreamAlreadyInAppendSession', new ProtoWriter().text(1, shown(streamName)));
  return detailedError(Status.aborted, ['streams', 'STREAM_ALREADY_IN_APPEND_SESSION'], message, detail);
};

export const recordTooLarge = (streamName: string, recordId: string, size: number, max: number): GrpcError => {
  const message = `Record ${recordId} of stream '${shown(streamName)}' has ${size} bytes, more than ${max}.`;
  const content = new ProtoWriter().text(1, shown(streamName)).text(2, recordId).uint(3, size).uint(4, max);
  const detail = streamsDetail('AppendRecordSizeExceeded', content);
  return detailedError(Status.invalidArgument, ['streams', 'APPEND_RECORD_SIZE_EXCEEDED'], message, detail);
};

export const transactionTooLarge = (records: number, size: number, max: number): GrpcError => {
  const message = `The append has ${size} bytes after ${records} records, more than ${max}.`;
  const detail = streamsDetail('AppendTransactionSizeExceeded', new ProtoWriter().uint(1, size).uint(2, max));
  return detailedError(Status.aborted, ['streams', 'APPEND_TRANSACTION_SIZE_EXCEEDED'], message, detail);
};

/** Of an append session, which reports one stream: the first. A stream that should exist and is deleted counts as tombstoned. */
export const sessionViolated = (streams: readonly ExpectedStream[], violation: Violation): GrpcError => {
  const { streamName, expected } = streams[violation.stream] as ExpectedStream;
  const { state, lastRevision } = violation;
  const message = sentence(streamName, expected, violation);
  if (state === 'tombstoned' || (state === 'softDeleted' && expected === 'stream_exists')) {
    const detail = streamsDetail('StreamTombstoned', new ProtoWriter().text(1, shown(streamName)));
    return detailedError(Status.failedPrecondition, ['streams', 'STREAM_TOMBSTONED'], message, detail);
  }
  const content = new ProtoWriter()
    .text(1, shown(streamName))
    .sint64(2, codeOf(expected))
    .sint64(3, BigInt(lastRevision));
  const detail = streamsDetail('StreamRevisionConflict', content);
  return detailedError(Status.failedPrecondition, ['streams', 'STREAM_REVISION_CONFLICT'], message, detail);
};

export const recordsViolated = (streams: readonly ExpectedStream[], violations: readonly Violation[]): GrpcError => {
  const content = new ProtoWriter();
  const sentences: string[] = [];
  let bytes = 0;
  for (const violation of violations) {
    const { streamName, expected } = streams[violation.stream] as ExpectedStream;
    const state = new ProtoWriter()
      .text(1, shown(streamName))
      .sint64(2, codeOf(expected))
      .sint64(3, actualCode(violation));
    const encoded = new ProtoWriter().uint(1, violation.stream).message(2, state).finish();
    bytes += encoded.length;
    if (bytes > MAX_VIOLATION_BYTES) break;
    content.bytes(1, encoded);
    sentences.push(sentence(streamName, expected, violation));
  }
  const detail = streamsDetail('AppendConsistencyViolation', content);
  const reason = ['streams', 'APPEND_CONSISTENCY_VIOLATION'] as const;
  return detailedError(Status.failedPrecondition, reason, sentences.join(' '), detail);
};

const actualCode = ({ state, lastRevision }: Violation): bigint => {
  if (state === 'tombstoned') return codeOf('tombstoned');
  return state === 'softDeleted' ? codeOf('soft_deleted') : BigInt(lastRevision);
};

const sentence = (streamName: string, expected: ExpectedState, { state, lastRevision }: Violation): string => {
  const present = lastRevision < 0 ? 'does not exist' : `is at revision ${lastRevision}`;
  const actual = { present, softDeleted: 'is deleted', tombstoned: 'is tombstoned' }[state];
  return `Stream '${shown(streamName)}' ${actual}, expected ${inWords(expected)}.`;
};

const inWords = (expected: ExpectedState): string => {
  if (typeof expected === 'bigint') return `revision ${expected}`;
  const words = {
    any: 'any state, and none of its events among new ones',
    no_stream: 'no stream',
    stream_exists: 'a stream',
    soft_deleted: 'a deleted stream',
    tombstoned: 'a tombstoned stream',
  };
  return words[expected];
};

export const v2Unfinished = (outcome: Unfinished): GrpcError => {
  if (outcome.kind === 'failed') return new GrpcError(failureCode(outcome), outcome.message);
  const reason = ['server', 'OPERATION_TIMEOUT'] as const;
  return detailedError(Status.deadlineExceeded, reason, 'The append was not decided before its deadline.');
};
