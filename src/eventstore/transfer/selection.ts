const TOMBSTONE = 9223372036854775807n;

/** Which streams are moved. */
export type Selection = {
  /** Names, in which `*` stands for any characters; none means all. */
  readonly streams: readonly string[];
  /** Also those whose name starts with `$`. */
  readonly includeSystem: boolean;
};

/** The stream whose metadata this one holds. */
export const ownerOf = (stream: string): string | undefined => (stream.startsWith('$$') ? stream.slice(2) : undefined);

/** The revision of a stream's tombstone. */
export const isTombstone = (revision: bigint): boolean => revision === TOMBSTONE;

/** A node's or server's notes about itself, which another one has of its own. */
const OWN_NOTES = new Set(['$baton-node', '$epoch-information']);

const patternOf = (pattern: string): RegExp => new RegExp(`^${pattern.split('*').map(escapeText).join('.*')}$`, 's');

const escapeText = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Whether a stream is moved: as itself, or as the metadata of one that is. */
export const selects = ({ streams, includeSystem }: Selection): ((stream: string) => boolean) => {
  const patterns = streams.map(patternOf);
  return (name) => {
    const stream = ownerOf(name) ?? name;
    if (OWN_NOTES.has(stream) || (stream.startsWith('$') && !includeSystem)) return false;
    return patterns.length === 0 || patterns.some((pattern) => pattern.test(stream));
  };
};
