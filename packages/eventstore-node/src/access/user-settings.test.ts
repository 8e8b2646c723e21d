import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { loadUsers } from './user-settings.ts';

const usersFile = async (users: unknown, mode = 0o600): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'users-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'users.json');
  await writeFile(path, JSON.stringify(users));
  await chmod(path, mode);
  return path;
};

it('the default users are admin and ops, with a warning that their passwords are public', () => {
  const { users, warnings } = loadUsers(undefined, {});
  expect(users).toEqual([
    { name: 'admin', password: 'changeit', groups: ['$admins'] },
    { name: 'ops', password: 'changeit', groups: ['$ops'] },
  ]);
  expect(warnings).toEqual([
    'the user "admin" has the default password, which everybody knows',
    'the user "ops" has the default password, which everybody knows',
  ]);
});

it('their passwords come from the environment variables of the real server; an empty one does not count', () => {
  const { users, warnings } = loadUsers(undefined, {
    EVENTSTORE_DEFAULT_ADMIN_PASSWORD: 'other',
    EVENTSTORE_DEFAULT_OPS_PASSWORD: '',
  });
  expect(users.map(({ password }) => password)).toEqual(['other', 'changeit']);
  expect(warnings).toHaveLength(1);
});

it('a file replaces all of them', async () => {
  const { users, warnings } = loadUsers(await usersFile([{ name: 'carol', password: 'p' }]), {
    EVENTSTORE_DEFAULT_ADMIN_PASSWORD: 'other',
  });
  expect(users).toEqual([{ name: 'carol', password: 'p', groups: [] }]);
  expect(warnings).toEqual([]);
});

it.skipIf(process.platform === 'win32')('a file that others may read is warned about', async () => {
  const path = await usersFile([{ name: 'carol', password: 'p' }], 0o640);
  expect(loadUsers(path, {}).warnings).toEqual([`${path} contains passwords and is readable by others`]);
});

it('a missing file is named in the error', () => {
  expect(() => loadUsers('/nowhere/users.json', {})).toThrow(/^the users file \/nowhere\/users.json cannot be read: /);
});
