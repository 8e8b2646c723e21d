import { GrpcError, Status } from '../grpc/status.ts';
import type { StoredRecord } from '../storage/record.ts';
import type { FilterRequest } from '../wire/read-request.ts';
import { Regex, RegexTooSlow } from './regex/regex.ts';
import { BadRegex } from './regex/syntax.ts';

/** Each is compared with each event. */
const MAX_PREFIXES = 10_000;

/** Throws INVALID_ARGUMENT if the filter's expression would take too long on this event. */
export type EventFilter = (record: StoredRecord) => boolean;

/** A non-empty regex wins over prefixes, and is searched for anywhere. Throws INVALID_ARGUMENT for one that is not valid. */
export const compileFilter = ({ on, regex, prefixes }: FilterRequest): EventFilter => {
  const matches = regex === '' ? prefixMatcher(prefixes) : regexMatcher(regex);
  return on === 'streamName' ? (record) => matches(record.streamName) : (record) => matches(record.type);
};

const prefixMatcher = (prefixes: readonly string[]): ((text: string) => boolean) => {
  if (prefixes.length > MAX_PREFIXES) {
    throw new GrpcError(Status.invalidArgument, `the filter has more than ${MAX_PREFIXES} prefixes`);
  }
  return (text) => prefixes.some((prefix) => text.startsWith(prefix));
};

const regexMatcher = (source: string): ((text: string) => boolean) => {
  const expression = refusing(() => new Regex(source));
  return (text) => refusing(() => expression.test(text));
};

const refusing = <T>(act: () => T): T => {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof BadRegex || error instanceof RegexTooSlow)) throw error;
    throw new GrpcError(Status.invalidArgument, `the filter's regular expression is not valid: ${error.message}`);
  }
};
