/** Members that are measured of a list or object: events of large payloads are folded often. */
export const SAMPLE = 200;
