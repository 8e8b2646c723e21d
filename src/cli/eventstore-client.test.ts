import { AccessDeniedError } from '@eventstore/db-client';
import { expect, it } from 'vitest';
import { withStoreClient } from './eventstore-client.ts';

it.each([
  ['ENOSPC', 'DISK_FULL'],
  ['EDQUOT', 'DISK_FULL'],
  ['EFBIG', 'DISK_FULL'],
  ['EIO', 'FILE_UNUSABLE'],
])('distinguishes a file that cannot be written (%s) from a store that is unreachable', async (code, told) => {
  const failing = async () => {
    throw Object.assign(new Error(`${code}: cannot, write`), { code, syscall: 'write' });
  };
  await expect(withStoreClient('--from', 'esdb://127.0.0.1:1?tls=false', failing)).rejects.toMatchObject({
    exitCode: 1,
    code: told,
  });
});

it.each(['esdb://admin:pa/ss@[x]', 'http://admin:pa@ss@host:1'])('shows no password: %s', async (url) => {
  const told = await withStoreClient('--from', url, async () => {}).catch((error: Error) => error.message);
  expect(told).toContain('--from ');
  expect(told).not.toMatch(/pa|ss@/);
});

it('gives advice about the user that the URL names', async () => {
  const denied = async () => {
    throw Object.assign(Object.create(AccessDeniedError.prototype), { message: 'denied' });
  };
  const adviceFor = (url: string) => withStoreClient('--from', url, denied).catch(({ advice }) => advice);
  expect(await adviceFor('esdb://127.0.0.1:1')).toContain('name a user');
  expect(await adviceFor('esdb://clerk:secret@127.0.0.1:1')).toContain('the user is not in $admins');
});
