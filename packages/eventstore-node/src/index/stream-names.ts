const METASTREAM_PREFIX = '$$';

export function metastreamOf(streamName: string): string {
  return METASTREAM_PREFIX + streamName;
}

/** The stream whose metadata this one holds, if it is a metastream. */
export function metastreamTarget(streamName: string): string | undefined {
  return streamName.startsWith(METASTREAM_PREFIX) ? streamName.slice(METASTREAM_PREFIX.length) : undefined;
}
