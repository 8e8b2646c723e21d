import { expect, it } from 'vitest';
import { basicCredentials } from './secure-access.ts';
import { UserDirectory } from './user-directory.ts';

const header = (text: string) => Buffer.from(text, 'utf8').toString('base64');

it.each([
  [`Basic ${header('alice:secret')}`, { name: 'alice', password: 'secret' }],
  [`basic   ${header('alice:secret')} `, { name: 'alice', password: 'secret' }],
  [`Basic ${header('alice:a:b:')}`, { name: 'alice', password: 'a:b:' }],
  [`Basic ${header('jörg:ß✓')}`, { name: 'jörg', password: 'ß✓' }],
  [`Basic ${header(':')}`, { name: '', password: '' }],
  [`Basic ${header('alice')}`, undefined],
  ['Basic', undefined],
  ['Basic ', undefined],
  ['Basic %%%%', undefined],
  ['Bearer abc', undefined],
  ['', undefined],
])('the header %s', (text, credentials) => {
  expect(basicCredentials(text)).toEqual(credentials);
});

it('a user is recognised by name and password together', () => {
  const users = new UserDirectory([
    { name: 'alice', password: 'a', groups: ['g'] },
    { name: 'bob', password: 'b', groups: [] },
  ]);
  expect(users.verify('alice', 'a')).toEqual({ name: 'alice', groups: ['g'] });
  expect(users.verify('alice', 'b')).toBeUndefined();
  expect(users.verify('Alice', 'a')).toBeUndefined();
  expect(users.verify('carol', 'a')).toBeUndefined();
  expect(users.verify('', '')).toBeUndefined();
});
