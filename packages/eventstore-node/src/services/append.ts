import type { Call } from '../grpc/call.ts';
import { GrpcError, Status } from '../grpc/status.ts';
import { ProtoReader } from '../protobuf/reader.ts';
import type { ProposedEvent } from '../storage/record.ts';
import type { Expected } from '../store/append-rules.ts';
import type { Outcome } from '../store/operations.ts';
import { checkStreamName, readProposedEvent, readWriteOptions, type StreamRef } from '../wire/append-request.ts';
import { appendDone, appendWrongVersion } from '../wire/append-response.ts';
import { appendTooLarge, failureCode, requestError, streamDeleted } from '../wire/write-errors.ts';
import type { NodeContext } from './context.ts';
import { MAX_APPEND_REQUEST_BYTES, MAX_APPEND_SIZE } from './limits.ts';

/** `Streams.Append`: options, then events, then half-close; one answer. */
export const handleAppend = ({ access, committer, now }: NodeContext, call: Call): void => {
  let target: { stream: StreamRef; expected: Expected } | undefined;
  const events: ProposedEvent[] = [];
  let dataBytes = 0;
  let requestBytes = 0;
  const deadlineMs = call.deadlineMs(now());
  const checkAccess = (streamName: string) => access.checkStream(call.caller, 'write', streamName);

  call.onMessage = (message) => {
    requestBytes += message.length;
    if (requestBytes > MAX_APPEND_REQUEST_BYTES) throw appendTooLarge(MAX_APPEND_SIZE);
    if (!target) {
      target = translated(() => readTarget(message, now(), checkAccess));
      return;
    }
    const event = translated(() => readEvent(message));
    dataBytes += event.dataEnd - event.dataStart;
    if (dataBytes > MAX_APPEND_SIZE) throw appendTooLarge(MAX_APPEND_SIZE);
    events.push(event);
  };

  call.onHalfClose = () => {
    if (!target) throw new GrpcError(Status.unknown, 'the call carried no options');
    const { stream, expected } = target;
    committer.submit({
      kind: 'append',
      streamName: stream.name,
      nameBytes: stream.bytes,
      expected,
      events,
      bytes: requestBytes,
      deadlineMs,
      settle: (outcome) => answer(call, stream.name, expected, outcome),
    });
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
    checkStreamName(stream);
    if (expected === undefined) throw new GrpcError(Status.invalidArgument, 'the expected revision is missing');
    return { stream, expected };
  }
  throw new GrpcError(Status.unknown, 'the first message must contain the options');
};

const readEvent = (message: Buffer): ProposedEvent => {
  const reader = new ProtoReader(message);
  while (reader.next()) if (reader.field === 2) return readProposedEvent(reader.message());
  throw new GrpcError(Status.unknown, 'every message after the options must contain an event');
};

const translated = <T>(read: () => T): T => {
  try {
    return read();
  } catch (error) {
    throw requestError(error);
  }
};

const answer = (call: Call, streamName: string, expected: Expected, outcome: Outcome): void => {
  switch (outcome.kind) {
    case 'done':
      call.write(appendDone(outcome.revision, outcome.position));
      call.end();
      break;
    case 'wrongExpectedVersion':
      call.write(appendWrongVersion(outcome.current, expected));
      call.end();
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
