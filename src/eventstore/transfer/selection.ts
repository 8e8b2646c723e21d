const TOMBSTONE = 9223372036854775807n;

/** Which streams are moved. */
export type Selection = {
  /** Names; `*` matches any characters. An empty list means all streams. */
  readonly streams: readonly string[];
  /** Whether to include streams whose name starts with `$`. */
  readonly includeSystem: boolean;
};

/** The stream whose metadata this one holds. */
export const ownerOf = (stream: string): string | undefined => (stream.startsWith('$$') ? stream.slice(2) : undefined);

/** The revision of a stream's tombstone. */
export const isTombstone = (revision: bigint): boolean => revision === TOMBSTONE;

/** Streams in which a node or server keeps notes about itself: every one has its own. */
const OWN_NOTES = new Set(['$baton-node', '$epoch-information']);

const patternOf = (pattern: string): RegExp => new RegExp(`^${pattern.split('*').map(escapeText).join('.*')}$`, 's');

const escapeText = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Whether a stream is moved: itself, or as the metadata of a stream that is moved. */
export const selects = ({ streams, includeSystem }: Selection): ((stream: string) => boolean) => {
  const patterns = streams.map(patternOf);
  return (name) => {
    const stream = ownerOf(name) ?? name;
    if (OWN_NOTES.has(stream) || (stream.startsWith('$') && !includeSystem)) return false;
    return patterns.length === 0 || patterns.some((pattern) => pattern.test(stream));
  };
};
