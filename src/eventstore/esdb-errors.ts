import {
  AccessDeniedError,
  InvalidArgumentError,
  MaxAppendSizeExceededError,
  StreamDeletedError,
  UnsupportedError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import { AppError, unavailable } from '../platform/errors.ts';
import { accessAdvice } from '../platform/eventstore-access.ts';
import { RevisionConflict } from './event-store.ts';
import { withCauses } from './outage-log.ts';

/** gRPC status codes that a retry will not change. */
const TERMINAL_CODES = new Set([
  3, // INVALID_ARGUMENT
  7, // PERMISSION_DENIED
  9, // FAILED_PRECONDITION
  12, // UNIMPLEMENTED
  16, // UNAUTHENTICATED
]);

const TERMINAL_CLASSES = [
  AppError,
  RevisionConflict,
  AccessDeniedError,
  InvalidArgumentError,
  MaxAppendSizeExceededError,
  StreamDeletedError,
  UnsupportedError,
  WrongExpectedVersionError,
  TypeError,
  RangeError,
];

/**
 * Whether the same call may succeed later. Anything not known to be final may: for a server that is starting, stopping or gone the client
 * throws a dozen classes, raw gRPC errors and plain Node errors, and a few unnecessary retries cost less than a lost append.
 */
export const isTransientEsdbError = (error: unknown): boolean =>
  error instanceof Error &&
  !TERMINAL_CLASSES.some((known) => error instanceof known) &&
  !TERMINAL_CODES.has((error as { readonly code?: unknown }).code as number);

/** The embedded node's words, and those of a file system. On one path the client keeps nothing but the text. */
const DISK_FULL = /disk full|No space left on device|ENOSPC/;

/** What keeps an event store from answering, as far as its error says. */
export const troubleOf = (error: unknown): string =>
  DISK_FULL.test(withCauses(error))
    ? 'the event store cannot write: its disk is full'
    : 'the event store cannot be reached';

/** Translates an error of the client that a retry will not change. */
export const fromEsdbError = (error: unknown): unknown => {
  if (error instanceof MaxAppendSizeExceededError)
    return new AppError(
      'BAD_USER_INPUT',
      `too large to be recorded: one append holds at most ${error.maxAppendSize} bytes`,
      {
        details: { limit: error.maxAppendSize },
        cause: error,
      },
    );
  if (error instanceof StreamDeletedError)
    return new AppError('CONFLICT', `stream ${error.streamName} was deleted by an operator of the event store`, {
      cause: error,
    });
  const denied = accessAdvice(error);
  if (denied !== undefined) return new AppError('UNAVAILABLE', denied, { cause: error });
  return isTransientEsdbError(error) ? unavailable(troubleOf(error), error) : error;
};
