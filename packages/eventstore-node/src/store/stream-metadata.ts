import { type Acl, parseAcl } from '../access/acl.ts';
import { Flag, MAX_I64, type StoredRecord } from '../storage/record.ts';
import { type ScalarMember, scalarMembers } from './json-members.ts';

/** The part of a stream's metadata that the node itself acts on. */
export type StreamMetadata = {
  readonly maxCount: number | undefined;
  readonly maxAgeMs: number | undefined;
  /** `$tb`: revisions below are not readable. */
  readonly truncateBefore: number;
  readonly softDeleted: boolean;
  /** Who may do what; undefined if the metadata does not say. */
  readonly acl: Acl | undefined;
};

export const NO_METADATA: StreamMetadata = {
  maxCount: undefined,
  maxAgeMs: undefined,
  truncateBefore: 0,
  softDeleted: false,
  acl: undefined,
};

/** `$tb` of a soft-deleted stream. */
const DELETED = MAX_I64;
export const SOFT_DELETE_DATA = Buffer.from('{"$tb":9223372036854775807}', 'latin1');

/** The metadata an event of a metastream sets: none unless it is marked as JSON. */
export const metadataIn = (record: StoredRecord): StreamMetadata =>
  (record.flags & Flag.json) === 0 ? NO_METADATA : parseStreamMetadata(record.data);

/**
 * Anything but a JSON object counts as no metadata. One known key with a value that it cannot have, even `5.0` or `"5"`
 * for a number, makes the real server ignore all keys; here the ACL stays, lest a typing error lets everybody in.
 */
export const parseStreamMetadata = (data: Buffer): StreamMetadata => {
  const text = data.toString('utf8');
  const raw = parseObject(text);
  if (!raw) return NO_METADATA;
  const members = scalarMembers(text);
  const limit = (key: string, least: bigint) => (key in raw ? integer(members.get(key), least) : undefined);
  const maxCount = limit('$maxCount', 1n);
  const maxAge = limit('$maxAge', 1n);
  const cacheControl = limit('$cacheControl', 1n);
  const truncateBefore = limit('$tb', 0n);
  const acl = parseAcl(raw['$acl']);
  const isTemporaryValid = !('$tmp' in raw) || typeof raw['$tmp'] === 'boolean';
  const limits = [maxCount, maxAge, cacheControl, truncateBefore];
  if (!isTemporaryValid || limits.includes(INVALID)) return { ...NO_METADATA, acl };
  return {
    maxCount: maxCount === undefined ? undefined : Number(maxCount),
    maxAgeMs: maxAge === undefined ? undefined : Number(maxAge) * 1000,
    truncateBefore: Number(truncateBefore ?? 0n),
    softDeleted: truncateBefore === DELETED,
    acl,
  };
};

const INVALID = -1n;

const integer = (member: ScalarMember | undefined, least: bigint): bigint => {
  if (!member || !/^-?\d+$/.test(member.text)) return INVALID;
  const value = BigInt(member.text);
  return value < least || value > MAX_I64 ? INVALID : value;
};

/**
 * The metadata event that brings a soft-deleted stream back: the old metadata, readable from `truncateBefore` on. The
 * text is patched where that is possible, so that numbers a double cannot hold stay what they are.
 */
export const undeletedMetadata = (previous: Buffer, truncateBefore: number): Buffer => {
  const text = previous.toString('utf8');
  const raw = parseObject(text);
  const member = raw && scalarMembers(text).get('$tb');
  if (member) return Buffer.from(text.slice(0, member.start) + truncateBefore + text.slice(member.end), 'utf8');
  if (!raw || '$tb' in raw || Object.keys(raw).length === 0) {
    return Buffer.from(JSON.stringify({ ...raw, $tb: truncateBefore }), 'utf8');
  }
  return Buffer.from(`${text.trimEnd().slice(0, -1)},"$tb":${truncateBefore}}`, 'utf8');
};

const parseObject = (text: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // not JSON: the stream has no metadata
  }
};
