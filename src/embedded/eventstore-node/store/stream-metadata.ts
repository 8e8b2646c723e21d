import { type Acl, parseAcl } from '../access/acl.ts';

/** The part of a stream's metadata that the node itself acts on. */
export interface StreamMetadata {
  readonly maxCount: number | undefined;
  readonly maxAgeMs: number | undefined;
  /** `$tb`: revisions below are not readable. */
  readonly truncateBefore: number;
  readonly softDeleted: boolean;
  /** Who may do what; undefined if the metadata does not say. */
  readonly acl: Acl | undefined;
}

export const NO_METADATA: StreamMetadata = {
  maxCount: undefined,
  maxAgeMs: undefined,
  truncateBefore: 0,
  softDeleted: false,
  acl: undefined,
};

/** `$tb` of a soft-deleted stream: 2^63 - 1, which as a double is 2^63. */
const DELETED = 2 ** 63;
export const SOFT_DELETE_DATA = Buffer.from('{"$tb":9223372036854775807}', 'latin1');

const METASTREAM_PREFIX = '$$';

export function metastreamOf(streamName: string): string {
  return METASTREAM_PREFIX + streamName;
}

/** The stream whose metadata this one holds, if it is a metastream. */
export function metastreamTarget(streamName: string): string | undefined {
  return streamName.startsWith(METASTREAM_PREFIX) ? streamName.slice(METASTREAM_PREFIX.length) : undefined;
}

/** Metadata that is not a JSON object counts as none, as does a limit that is not a positive number. */
export function parseStreamMetadata(data: Buffer): StreamMetadata {
  const raw = parseObject(data);
  if (!raw) return NO_METADATA;
  const maxAge = positive(raw['$maxAge']);
  const truncateBefore = typeof raw['$tb'] === 'number' && raw['$tb'] > 0 ? raw['$tb'] : 0;
  return {
    maxCount: positive(raw['$maxCount']),
    maxAgeMs: maxAge === undefined ? undefined : maxAge * 1000,
    truncateBefore,
    softDeleted: truncateBefore >= DELETED,
    acl: parseAcl(raw['$acl']),
  };
}

/** The metadata event that brings a soft-deleted stream back: the old metadata, readable from `truncateBefore` on. */
export function undeletedMetadata(previous: Buffer, truncateBefore: number): Buffer {
  return Buffer.from(JSON.stringify({ ...parseObject(previous), $tb: truncateBefore }), 'utf8');
}

function parseObject(data: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(data.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // not JSON: the stream has no metadata
  }
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined;
}
