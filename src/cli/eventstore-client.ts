import type { EventStoreDBClient } from '@eventstore/db-client';
import { AppError } from '../platform/errors.ts';
import { refused, unreachable, usageFailure } from './failure.ts';

const SCHEME = /^(esdb|kurrentdb)(\+discover)?:\/\//;

/** Errors of a write to an open file; they name no file. */
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Up to the last @: a password that is not encoded may contain one, or a slash. */
const withoutPassword = (url: string): string => url.replace(/\/\/.*@/s, '//***@');

/** Runs `work` with a client of its own for the store at this URL. Its failures are reported as those of that store or of a file. */
export const withStoreClient = async <Result>(
  option: string,
  url: string,
  work: (client: EventStoreDBClient) => Promise<Result>,
): Promise<Result> => {
  if (!SCHEME.test(url))
    throw usageFailure(`${option} ${withoutPassword(url)}: expected an esdb:// or kurrentdb:// URL`);
  const [{ AccessDeniedError }, { createEventStoreClient }, { isTransientEsdbError }] = await Promise.all([
    import('@eventstore/db-client'), // loads gRPC
    import('../platform/eventstore-client.ts'),
    import('../eventstore/esdb-errors.ts'),
  ]);
  let client: EventStoreDBClient;
  try {
    client = createEventStoreClient(url);
  } catch (error) {
    throw usageFailure(`${option} ${withoutPassword(url)}: ${(error as Error).message}`);
  }
  try {
    return await work(client);
  } catch (error) {
    const { code, syscall, path, message } = error as NodeJS.ErrnoException;
    if (syscall !== undefined && path !== undefined)
      throw refused('FILE_UNUSABLE', `${path} cannot be used: ${message}`);
    if (NO_ROOM.has(code ?? ''))
      throw refused(
        'DISK_FULL',
        `the disk is full (${message}); free some space and run the same command again to continue`,
      );
    if (code === 'EIO') throw refused('FILE_UNUSABLE', `the file cannot be used: ${message}`);
    if (error instanceof AccessDeniedError)
      throw refused(
        'ACCESS_DENIED',
        `${withoutPassword(url)} denies access`,
        url.includes('@')
          ? 'the password is wrong, or the user is not in $admins'
          : 'name a user in the URL: esdb://USER:PASSWORD@…',
      );
    if (error instanceof AppError || !isTransientEsdbError(error)) throw error;
    throw unreachable(
      `${withoutPassword(url)} cannot be reached: ${message}`,
      'what was done is kept; run the same command again to continue',
      error,
    );
  } finally {
    await client.dispose();
  }
};
