import { describe, expect, it } from 'vitest';
import type { StreamAction, User } from './access.ts';
import { accessStreamsOf, type DefaultAcls, isAllowed, isOperator, parseAcl } from './acl.ts';

const root: User = { name: 'root', groups: ['$admins'] };
const admin: User = { name: 'admin', groups: [] };
const ops: User = { name: 'ops', groups: ['$ops'] };
const alice: User = { name: 'alice', groups: ['readers'] };

const ACTIONS = ['read', 'write', 'delete', 'readMetadata', 'writeMetadata'] as const;
const NO_DEFAULTS: DefaultAcls = { userStreams: undefined, systemStreams: undefined };

type Situation = {
  /** `$acl` of streams, as in their metadata. */
  readonly acl?: Record<string, unknown>;
  /** `$settings`. */
  readonly user?: unknown;
  readonly system?: unknown;
};

const allowed = (user: User, stream: string, { acl = {}, user: users, system }: Situation = {}): StreamAction[] => {
  const defaults = { ...NO_DEFAULTS, userStreams: parseAcl(users), systemStreams: parseAcl(system) };
  const acls = { of: (name: string) => parseAcl(acl[name]), defaults: () => defaults };
  return ACTIONS.filter((action) => isAllowed(user, action, stream, acls));
};

const all = [...ACTIONS];
const onlyReads = ['read', 'readMetadata'];

describe('without any access list', () => {
  it.each([
    ['s', alice, all],
    ['s', ops, all],
    ['$s', alice, []],
    ['$s', ops, []],
    ['$s', root, all],
    ['$s', admin, all],
    ['$all', alice, []],
    ['$all', root, ['read', 'readMetadata', 'writeMetadata']],
    ['$$s', alice, ['read', 'write', 'readMetadata', 'writeMetadata']],
    ['$$s', root, ['read', 'write', 'readMetadata', 'writeMetadata']],
    ['$$$s', alice, []],
    ['$$$all', alice, []],
    ['$$$$s', alice, []],
    ['$settings', alice, []],
    ['', alice, []],
  ] as const)('%s lets %o do %j', (stream, user, expected) => {
    expect(allowed(user, stream)).toEqual(expected);
  });
});

describe('an access list', () => {
  it.each([
    ['names a user', { $r: 'alice' }, alice, all],
    ['names another user', { $r: 'bob' }, alice, all.slice(1)],
    ['names a group of the user', { $w: ['bob', 'readers'] }, alice, all],
    ['names nobody', { $d: [] }, alice, ['read', 'write', 'readMetadata', 'writeMetadata']],
    ['names nobody, and the user is an administrator', { $r: [], $w: [], $d: [] }, root, all],
    ['names the administrators', { $mr: '$admins', $mw: '$admins' }, alice, ['read', 'write', 'delete']],
    ['names everybody', { $r: '$all' }, alice, all],
    ['is empty', {}, alice, all],
    ['is null', null, alice, all],
    ['has a null for an action', { $r: null }, alice, all],
    ['is no list of roles', { $r: 5 }, alice, all.slice(1)],
    ['holds something that is no role', { $r: ['alice', 5] }, alice, all.slice(1)],
    ['is no object', 'alice', alice, []],
    ['is an array', ['alice'], alice, []],
  ])('that %s', (_, acl, user, expected) => {
    expect(allowed(user, 's', { acl: { s: acl } })).toEqual(expected);
  });

  it('of a stream also covers its metastream, through the roles for metadata', () => {
    const acl = { s: { $r: 'bob', $w: 'bob', $mr: 'alice', $mw: 'bob' } };
    expect(allowed(alice, '$$s', { acl })).toEqual(onlyReads);
    expect(allowed(alice, '$$s', { acl: { $$s: { $mr: 'bob' } } })).toContain('read');
  });

  it('opens the log to readers, but never to writers', () => {
    expect(allowed(alice, '$all', { acl: { $all: { $r: 'alice', $w: 'alice', $d: 'alice' } } })).toEqual(['read']);
  });

  it('opens a system stream', () => {
    expect(allowed(alice, '$s', { acl: { $s: { $r: '$all' } } })).toEqual(['read']);
  });
});

describe('the settings', () => {
  const closed = { $r: 'bob', $w: 'bob', $d: 'bob', $mr: 'bob', $mw: 'bob' };

  it('close user streams, except for what a stream says itself', () => {
    expect(allowed(alice, 's', { user: closed })).toEqual([]);
    expect(allowed(alice, 's', { user: closed, acl: { s: { $w: 'alice' } } })).toEqual(['write']);
    expect(allowed(alice, '$$s', { user: { $mr: 'bob' } })).toEqual(['write', 'writeMetadata']);
  });

  it('open system streams, and with them the log', () => {
    expect(allowed(alice, '$s', { system: { $r: 'readers' } })).toEqual(['read']);
    expect(allowed(alice, '$all', { system: { $r: 'readers' } })).toEqual(['read']);
  });

  it('do not confuse user streams with system streams', () => {
    expect(allowed(alice, '$s', { user: { $r: '$all' } })).toEqual([]);
    expect(allowed(alice, 's', { system: closed })).toEqual(all);
  });

  it('leave everything open that they do not name', () => {
    expect(allowed(alice, 's', { user: { $r: 'bob' } })).toEqual(all.slice(1));
  });
});

it.each([
  [root, true],
  [admin, true],
  [ops, true],
  [{ name: 'ops', groups: [] }, true],
  [{ name: 'x', groups: ['$ops'] }, true],
  [alice, false],
])('%o is an operator: %s', (user, expected) => {
  expect(isOperator(user)).toBe(expected);
});

it.each([
  ['s', '$$s'],
  ['$$s', '$$s'],
  ['$all', '$$$all'],
])('access to %s changes with %s and the settings', (stream, metastream) => {
  expect(accessStreamsOf(stream)).toEqual([metastream, '$settings']);
});
