/** Bytes of event data that one append may have: the real server's default. */
export const MAX_APPEND_SIZE = 1_048_576;

/** Bytes of all requests of one append; a bound for metadata, which the real server does not count. */
export const MAX_APPEND_REQUEST_BYTES = 16 * 1024 * 1024;
