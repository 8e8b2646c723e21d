import { framed, PREFIX } from '../grpc/deframer.ts';
import { Status, type StatusCode } from '../grpc/status.ts';
import { ProtoWriter, varintSize, writeVarint } from '../protobuf/writer.ts';
import type { Expected } from '../store/append-rules.ts';

/** `AppendResp` for an append that is done. `revision` -1: the append was empty and there is no such stream. */
export const appendDone = (revision: number, position: number | undefined): Buffer => {
  const success = new ProtoWriter();
  if (revision < 0) success.empty(2);
  else success.uint(1, revision);
  if (position === undefined) success.empty(4);
  else success.message(3, positionOf(position));
  return framed(new ProtoWriter().message(1, success).finish());
};

/** `AppendResp` for a wrong expected version, in the current fields and in those of 20.6. */
export const appendWrongVersion = (current: number, expected: Expected): Buffer => {
  const wrong = new ProtoWriter();
  if (current < 0) wrong.empty(2).empty(7);
  else wrong.uint(1, current).uint(6, current);
  if (expected === 'any') wrong.empty(4).empty(9);
  else if (expected === 'stream_exists') wrong.empty(5).empty(10);
  else if (expected === 'no_stream') wrong.empty(11);
  else wrong.uint64(3, expected).uint64(8, expected);
  return framed(new ProtoWriter().message(2, wrong).finish());
};

const positionOf = (position: number): ProtoWriter => new ProtoWriter().uint(1, position).uint(2, position);

/** Framed `BatchAppendResp` for an append that is done; written by hand because every append ends here. */
export const batchDone = (correlation: Buffer, revision: number, position: number | undefined): Buffer => {
  const placeSize = position === undefined ? 0 : 2 * (1 + varintSize(position));
  const revisionField = revision < 0 ? 2 : 1 + varintSize(revision);
  const success = revisionField + 2 + placeSize;
  const size = 1 + varintSize(correlation.length) + correlation.length + 2 + success;
  const frame = Buffer.allocUnsafe(PREFIX + size);
  frame[0] = 0;
  frame.writeUInt32BE(size, 1);
  let at = PREFIX;
  frame[at++] = 0x0a; // correlation_id
  at = writeVarint(frame, at, correlation.length);
  at += correlation.copy(frame, at);
  frame[at++] = 0x1a; // success; below 128 bytes
  frame[at++] = success;
  frame[at++] = revision < 0 ? 0x12 : 0x08;
  at = writeVarint(frame, at, Math.max(revision, 0));
  frame[at++] = position === undefined ? 0x22 : 0x1a;
  frame[at++] = placeSize;
  if (position === undefined) return frame;
  frame[at++] = 0x08;
  at = writeVarint(frame, at, position);
  frame[at++] = 0x10;
  writeVarint(frame, at, position);
  return frame;
};

/** Why a batch append failed, in the form the client distinguishes errors by: status code, message, and a typed detail. */
export type BatchFailure = {
  readonly code: StatusCode;
  readonly message: string;
  /** Full name of the detail's protobuf type. */
  readonly type: string;
  readonly detail: ProtoWriter;
};

const OWN = 'event_store.client';

export const batchTimeout: BatchFailure = {
  code: Status.deadlineExceeded,
  message: 'Timeout',
  type: `${OWN}.Timeout`,
  detail: new ProtoWriter(),
};

export const batchAccessDenied: BatchFailure = {
  code: Status.permissionDenied,
  message: 'AccessDenied',
  type: `${OWN}.AccessDenied`,
  detail: new ProtoWriter(),
};

export const batchWrongVersion = (current: number, expected: Expected): BatchFailure => {
  const detail = new ProtoWriter();
  if (current < 0) detail.empty(2);
  else detail.uint(1, current);
  if (expected === 'any') detail.empty(4);
  else if (expected === 'stream_exists') detail.empty(5);
  else if (expected === 'no_stream') detail.empty(6);
  else detail.uint64(3, expected);
  return { code: Status.alreadyExists, message: 'WrongExpectedVersion', type: `${OWN}.WrongExpectedVersion`, detail };
};

export const batchStreamDeleted = (streamName: Buffer): BatchFailure => {
  const detail = new ProtoWriter().message(1, streamIdentifier(streamName));
  return { code: Status.notFound, message: 'StreamDeleted', type: `${OWN}.StreamDeleted`, detail };
};

export const batchTooLarge = (maxAppendSize: number): BatchFailure => ({
  code: Status.invalidArgument,
  message: `the append is larger than ${maxAppendSize} bytes`,
  type: `${OWN}.MaximumAppendSizeExceeded`,
  detail: new ProtoWriter().uint(1, maxAppendSize),
});

export const batchBadRequest = (message: string): BatchFailure => ({
  code: Status.invalidArgument,
  message,
  type: `${OWN}.BadRequest`,
  detail: new ProtoWriter().text(1, message),
});

export const batchUnavailable = (code: StatusCode, message: string): BatchFailure => ({
  code,
  message,
  type: 'google.protobuf.Empty',
  detail: new ProtoWriter(),
});

export const batchFailed = (correlation: Buffer, streamName: Buffer, failure: BatchFailure): Buffer => {
  const any = new ProtoWriter().text(1, `type.googleapis.com/${failure.type}`).bytes(2, failure.detail.finish());
  const status = new ProtoWriter().uint(1, failure.code).text(2, failure.message).message(3, any);
  const response = new ProtoWriter().bytes(1, correlation).message(2, status);
  return framed(response.message(4, streamIdentifier(streamName)).finish());
};

export const streamIdentifier = (name: Buffer): ProtoWriter => new ProtoWriter().bytes(3, name);
