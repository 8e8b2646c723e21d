import { expect, it } from 'vitest';
import { withStoreClient } from './eventstore-client.ts';

it.each([
  ['ENOSPC', 'DISK_FULL'],
  ['EDQUOT', 'DISK_FULL'],
  ['EFBIG', 'DISK_FULL'],
  ['EIO', 'FILE_UNUSABLE'],
])('tells a file that takes no more (%s) from a store that is away', async (code, told) => {
  const failing = async () => {
    throw Object.assign(new Error(`${code}: cannot, write`), { code, syscall: 'write' });
  };
  await expect(withStoreClient('--from', 'esdb://127.0.0.1:1?tls=false', failing)).rejects.toMatchObject({
    exitCode: 1,
    code: told,
  });
});
