import type { Call } from '../grpc/call.ts';
import { GrpcError, Status } from '../grpc/status.ts';
import { ProtoReader } from '../protobuf/reader.ts';
import { ProtoWriter } from '../protobuf/writer.ts';
import type { Expected } from '../store/append-rules.ts';
import type { Outcome, StreamChange } from '../store/operations.ts';
import { checkStreamName, readWriteOptions, type StreamRef } from '../wire/append-request.ts';
import { failureCode, requestError, secondMessage, streamDeleted, wrongExpectedVersion } from '../wire/write-errors.ts';
import type { NodeContext } from './context.ts';

/** `Streams.Delete` and `Streams.Tombstone`. */
export const handleDelete = (
  { access, committer, now }: NodeContext,
  kind: 'delete' | 'tombstone',
  call: Call,
): void => {
  let operation: StreamChange | undefined;
  const deadlineMs = call.deadlineMs(now());
  const checkAccess = (streamName: string) => access.checkStream(call.caller, 'delete', streamName);
  call.onMessage = (message) => {
    if (operation) throw secondMessage();
    const { stream, expected } = readTarget(message, now(), checkAccess);
    operation = {
      kind,
      streamName: stream.name,
      nameBytes: stream.bytes,
      expected,
      events: [],
      bytes: message.length,
      deadlineMs,
      settle: (outcome) => answer(call, stream.name, expected, outcome),
    };
  };
  call.onHalfClose = () => {
    if (!operation) throw new GrpcError(Status.internal, 'the call carried no request');
    committer.submit(operation);
  };
};

const readTarget = (
  message: Buffer,
  now: number,
  checkAccess: (streamName: string) => void,
): { stream: StreamRef; expected: Expected } => {
  const reader = new ProtoReader(message);
  while (reader.next()) {
    if (reader.field !== 1) continue;
    const { stream, expected } = readWriteOptions(reader.message(), now);
    checkAccess(stream.name);
    try {
      checkStreamName(stream);
    } catch (error) {
      throw requestError(error);
    }
    if (expected === undefined) break;
    return { stream, expected };
  }
  throw new GrpcError(Status.invalidArgument, 'the request has no stream or no expected revision');
};

const answer = (call: Call, streamName: string, expected: Expected, outcome: Outcome): void => {
  switch (outcome.kind) {
    case 'done':
      call.writeMessage(response(outcome.position));
      call.end();
      break;
    case 'wrongExpectedVersion':
      call.fail(wrongExpectedVersion(streamName, expected, outcome.current));
      break;
    case 'streamDeleted':
      call.fail(streamDeleted(streamName));
      break;
    case 'timedOut':
      call.fail(new GrpcError(Status.aborted, 'Operation timed out'));
      break;
    case 'failed':
      call.fail(new GrpcError(failureCode(outcome), outcome.message));
      break;
  }
};

/** `DeleteResp` and `TombstoneResp` look the same. */
const response = (position: number | undefined): Buffer => {
  if (position === undefined) return new ProtoWriter().empty(2).finish();
  return new ProtoWriter().message(1, new ProtoWriter().uint(1, position).uint(2, position)).finish();
};
