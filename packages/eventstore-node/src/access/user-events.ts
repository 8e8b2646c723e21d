import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { EventStore } from '../store/event-store.ts';
import type { NodeEvent } from '../store/node-events.ts';
import type { UserSettings } from './user-settings.ts';

const derive = promisify<string, Buffer, number, Buffer>(scrypt);
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const ADMINS = '$admins';
const FULL_NAMES: Readonly<Record<string, string>> = {
  admin: 'Event Store Administrator',
  ops: 'Event Store Operations',
};

type StoredUser = {
  readonly salt: string;
  readonly hash: string;
  readonly groups: readonly string[];
};

/**
 * What to append so that the log knows these users as a real server's log does: who is new is created, whose password or
 * groups are other than stored is updated. The settings decide who may log in; the log only shows it.
 */
export const userEvents = async (store: EventStore, users: readonly UserSettings[]): Promise<readonly NodeEvent[]> => {
  const events = await Promise.all(users.map((user) => eventsOf(store, user)));
  return events.flat();
};

const eventsOf = async (store: EventStore, user: UserSettings): Promise<readonly NodeEvent[]> => {
  const streamName = `$user-${user.name}`;
  if (store.isTombstoned(streamName)) return [];
  const stored = storedUser(store, streamName);
  if (stored !== 'none' && stored !== 'unreadable' && (await isSame(stored, user))) return [];
  const type = stored === 'none' ? '$UserCreated' : '$UserUpdated';
  const event = { streamName, type, json: true, data: jsonBytes(await userData(user)) };
  return stored === 'none' ? [aclEvent(streamName), event, listEntry(user)] : [event];
};

const aclEvent = (streamName: string): NodeEvent => {
  const data = jsonBytes({ $acl: { $w: ADMINS, $d: ADMINS, $mw: ADMINS } });
  return { streamName: `$$${streamName}`, type: '$metadata', json: true, data };
};

/** `$users` holds bare names. */
const listEntry = ({ name }: UserSettings): NodeEvent => ({
  streamName: '$users',
  type: '$User',
  json: false,
  data: Buffer.from(name, 'utf8'),
});

const userData = async ({ name, password, groups }: UserSettings) => {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, salt, HASH_BYTES);
  return {
    loginName: name,
    fullName: FULL_NAMES[name] ?? name,
    salt: salt.toString('base64'),
    hash: hash.toString('base64'),
    disabled: false,
    groups,
  };
};

const storedUser = (store: EventStore, streamName: string): StoredUser | 'none' | 'unreadable' => {
  const range = store.readableRange(streamName);
  if (!range) return 'none';
  try {
    const { salt, hash, groups } = JSON.parse(
      store.record(store.index.ordinal(range.stream, range.last)).data.toString('utf8'),
    ) as StoredUser;
    return typeof salt === 'string' && typeof hash === 'string' && Array.isArray(groups)
      ? { salt, hash, groups }
      : 'unreadable';
  } catch (error) {
    if (error instanceof SyntaxError) return 'unreadable'; // an administrator wrote to the stream by hand
    throw error;
  }
};

const isSame = async ({ salt, hash, groups }: StoredUser, user: UserSettings): Promise<boolean> => {
  if (groups.length !== user.groups.length || !user.groups.every((group) => groups.includes(group))) return false;
  const expected = Buffer.from(hash, 'base64');
  const actual = await derive(user.password, Buffer.from(salt, 'base64'), HASH_BYTES);
  return expected.length === actual.length && timingSafeEqual(expected, actual);
};

const jsonBytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value), 'utf8');
