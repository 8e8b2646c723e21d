import { GrpcError, Status, type StatusCode } from '../grpc/status.ts';
import type { Expected } from '../store/append-rules.ts';
import type { Outcome } from '../store/operations.ts';
import { BadAppend, MissingMetadata } from './append-request.ts';

type Failed = Extract<Outcome, { kind: 'failed' }>;

const FAILURE_CODES: Record<Failed['cause'], StatusCode> = {
  full: Status.resourceExhausted,
  broken: Status.internal,
  stopping: Status.unavailable,
};

export const failureCode = ({ cause }: Failed): StatusCode => FAILURE_CODES[cause];

export const streamDeleted = (streamName: string): GrpcError =>
  new GrpcError(Status.failedPrecondition, `Event stream '${streamName}' is deleted.`, {
    exception: 'stream-deleted',
    'stream-name': streamName,
  });

export const wrongExpectedVersion = (streamName: string, expected: Expected, current: number): GrpcError => {
  const message = `Append failed due to WrongExpectedVersion. Stream: ${streamName}, Expected version: ${versionCode(expected)}, Actual version: ${current}`;
  return new GrpcError(Status.failedPrecondition, message, {
    exception: 'wrong-expected-version',
    'stream-name': streamName,
    'expected-version': versionCode(expected),
    'actual-version': String(current),
  });
};

/** Expectations as the numbers trailers carry. */
const versionCode = (expected: Expected): string => {
  if (expected === 'no_stream') return '-1';
  if (expected === 'any') return '-2';
  if (expected === 'stream_exists') return '-4';
  return String(expected);
};

export const appendTooLarge = (maxAppendSize: number): GrpcError =>
  new GrpcError(Status.invalidArgument, `Maximum Append Size of ${maxAppendSize} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(maxAppendSize),
  });

/** Of a call that carries one message only. */
export const secondMessage = (): GrpcError =>
  new GrpcError(Status.internal, 'Additional data after the message received.');

/** Errors of reading a request, as the single-call RPCs report them. */
export const requestError = (error: unknown): unknown => {
  if (error instanceof MissingMetadata) {
    return new GrpcError(Status.invalidArgument, 'Required Metadata Property type or content-type is missing', {
      exception: 'missing-required-metadata-property',
      'required-metadata-properties': error.message,
    });
  }
  if (error instanceof BadAppend) return new GrpcError(Status.unknown, 'Exception was thrown by handler.');
  return error;
};
