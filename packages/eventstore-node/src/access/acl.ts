import { metastreamOf, metastreamTarget } from '../index/stream-names.ts';
import type { StreamAction, User } from './access.ts';

/** Users and groups that may do something; an action that is not named here follows the next source's. */
export type Acl = Readonly<Partial<Record<StreamAction, readonly string[]>>>;

/** What applies to streams whose own metadata does not decide. */
export type DefaultAcls = {
  readonly userStreams: Acl | undefined;
  readonly systemStreams: Acl | undefined;
};

const KEYS: Readonly<Record<StreamAction, string>> = {
  read: '$r',
  write: '$w',
  delete: '$d',
  readMetadata: '$mr',
  writeMetadata: '$mw',
};

const ADMINS = '$admins';
const OPERATORS = '$ops';
/** As a role: everybody who logged in. As a stream: the log as a whole. */
const ALL = '$all';
/** Stream whose newest event holds the default access lists. */
export const SETTINGS = '$settings';

/**
 * Whether a user may do this with a stream: the rules of the real server, one by one. A metastream is judged by the stream
 * whose metadata it holds, and cannot be deleted.
 */
export const isAllowed = (
  user: User,
  action: StreamAction,
  streamName: string,
  acls: { of(streamName: string): Acl | undefined; defaults(): DefaultAcls },
): boolean => {
  if ((streamName === ALL || streamName === '') && (action === 'write' || action === 'delete')) return false;
  const target = metastreamTarget(streamName);
  if (target !== undefined && action === 'delete') return false;
  if (isAdmin(user)) return true;
  const roles =
    target === undefined ? rolesFor(action, streamName, acls) : rolesFor(metadataAction(action), target, acls);
  return roles.some((role) => role === ALL || role === user.name || user.groups.includes(role));
};

/** Whether a user may run the node: manage its persistent subscriptions, for example. */
export const isOperator = (user: User): boolean =>
  isAdmin(user) || user.name === 'ops' || user.groups.includes(OPERATORS);

/** Streams whose newest event decides on access to this one. */
export const accessStreamsOf = (streamName: string): readonly string[] => [
  metastreamTarget(streamName) === undefined ? metastreamOf(streamName) : streamName,
  SETTINGS,
];

/**
 * `$acl` of stream metadata, or one of the two of `$settings`. A list of roles that cannot be parsed lets nobody in
 * but administrators: its author meant to keep somebody out.
 */
export const parseAcl = (raw: unknown): Acl | undefined => {
  if (raw === undefined || raw === null) return undefined;
  const isObject = typeof raw === 'object' && !Array.isArray(raw);
  const acl: Partial<Record<StreamAction, readonly string[]>> = {};
  for (const action of Object.keys(KEYS) as StreamAction[]) {
    const roles: unknown = isObject ? (raw as Record<string, unknown>)[KEYS[action]] : NOT_A_ROLE;
    if (roles !== undefined && roles !== null) acl[action] = parseRoles(roles);
  }
  return acl;
};

const NOT_A_ROLE = [false];

const parseRoles = (raw: unknown): readonly string[] => {
  const roles: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  return roles.every((role) => typeof role === 'string') ? roles : [];
};

/** The real server treats the user named `admin` as an administrator, regardless of its groups. */
const isAdmin = ({ name, groups }: User): boolean => name === 'admin' || groups.includes(ADMINS);

const metadataAction = (action: StreamAction): StreamAction =>
  action === 'read' || action === 'readMetadata' ? 'readMetadata' : 'writeMetadata';

const rolesFor = (
  action: StreamAction,
  streamName: string,
  acls: { of(streamName: string): Acl | undefined; defaults(): DefaultAcls },
): readonly string[] => {
  const own = acls.of(streamName)?.[action];
  if (own) return own;
  const { userStreams, systemStreams } = acls.defaults();
  if (streamName === '' || streamName.startsWith('$')) return systemStreams?.[action] ?? [ADMINS];
  return userStreams?.[action] ?? [ALL];
};
