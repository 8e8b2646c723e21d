import {
  AccessDeniedError,
  CancelledError,
  DeadlineExceededError,
  MaxAppendSizeExceededError,
  StreamDeletedError,
  TimeoutError,
  UnavailableError,
  UnknownError,
} from '@eventstore/db-client';
import { describe, expect, it } from 'vitest';
import { AppError, unavailable } from '../platform/errors.ts';
import { fromEsdbError, isTransientEsdbError, troubleOf } from './esdb-errors.ts';
import { RevisionConflict } from './event-store.ts';

const grpc = (code: number): Error => Object.assign(new Error(`${code}: from gRPC`), { code, details: '' });

describe('an error of the client', () => {
  it.each<[string, Error]>([
    ['server unavailable', new UnavailableError()],
    ['call cancelled by the server', new CancelledError()],
    ['deadline exceeded', new DeadlineExceededError()],
    ['timeout', new TimeoutError()],
    ['an answer the client does not know, such as not ready', new UnknownError()],
    ['raw gRPC unavailable', grpc(14)],
    ['raw gRPC cancelled', grpc(1)],
    ['raw gRPC internal', grpc(13)],
    ['no answer in time', new Error('the event store did not answer within 3000 ms')],
    ['no node found', new Error('Failed to discover after 10 attempts.')],
    ['connection reset', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })],
  ])('is transient: %s', (_what, error) => {
    expect(isTransientEsdbError(error)).toBe(true);
    expect(fromEsdbError(error)).toMatchObject({ code: 'UNAVAILABLE', retryable: true, cause: error });
  });

  it('says when the disk is full: then reads go on, and only writes fail', () => {
    const full = new Error('Could not recognize', { cause: new Error('disk full: the events could not be written') });
    expect(troubleOf(full)).toBe('the event store cannot write: its disk is full');
    expect(fromEsdbError(full)).toMatchObject({ code: 'UNAVAILABLE', message: troubleOf(full) });
    expect(troubleOf(new UnavailableError())).toBe('the event store cannot be reached');
  });

  it.each<[string, unknown]>([
    ['a conflict', new RevisionConflict('s', 0n, 1n)],
    ['an error of ours', unavailable('closed')],
    ['a bug', new TypeError('x is not a function')],
    ['a thrown string', 'thrown'],
    ['raw gRPC invalid argument', grpc(3)],
    ['raw gRPC unimplemented', grpc(12)],
  ])('is passed on unchanged: %s', (_what, error) => {
    expect(isTransientEsdbError(error)).toBe(false);
    expect(fromEsdbError(error)).toBe(error);
  });

  it.each<[string, Error, object]>([
    [
      'too large',
      MaxAppendSizeExceededError.fromMaxAppendSize(1_000),
      { code: 'BAD_USER_INPUT', details: { limit: 1_000 } },
    ],
    ['stream deleted', StreamDeletedError.fromStreamName('s'), { code: 'CONFLICT' }],
    [
      'access denied',
      new AccessDeniedError(),
      { code: 'UNAVAILABLE', retryable: false, message: expect.stringContaining('read $all') },
    ],
    ['a raw permission denied', grpc(7), { code: 'UNAVAILABLE', message: expect.stringContaining('read $all') }],
    ['a wrong password', grpc(16), { code: 'UNAVAILABLE', message: expect.stringContaining('user or password') }],
  ])('is translated: %s', (_what, error, expected) => {
    expect(isTransientEsdbError(error)).toBe(false);
    expect(fromEsdbError(error)).toBeInstanceOf(AppError);
    expect(fromEsdbError(error)).toMatchObject({ ...expected, cause: error });
  });
});
