const METASTREAM_PREFIX = '$$';

export const metastreamOf = (streamName: string): string => METASTREAM_PREFIX + streamName;

/** The stream whose metadata this one contains, if it is a metastream. */
export const metastreamTarget = (streamName: string): string | undefined =>
  streamName.startsWith(METASTREAM_PREFIX) ? streamName.slice(METASTREAM_PREFIX.length) : undefined;
