import { GrpcError, Status } from '../grpc/status.ts';
import type { StoredRecord } from '../storage/record.ts';
import type { FilterRequest } from '../wire/read-request.ts';

export type EventFilter = (record: StoredRecord) => boolean;

/** A non-empty regex wins over prefixes, and is searched for anywhere. Throws INVALID_ARGUMENT for one that is not valid. */
export function compileFilter({ on, regex, prefixes }: FilterRequest): EventFilter {
  const matches = regex === '' ? prefixMatcher(prefixes) : regexMatcher(regex);
  return on === 'streamName' ? (record) => matches(record.streamName) : (record) => matches(record.type);
}

function prefixMatcher(prefixes: readonly string[]): (text: string) => boolean {
  return (text) => prefixes.some((prefix) => text.startsWith(prefix));
}

function regexMatcher(source: string): (text: string) => boolean {
  const { pattern, flags } = withoutInlineFlags(source);
  try {
    const expression = new RegExp(pattern, flags);
    return (text) => expression.test(text);
  } catch (cause) {
    throw new GrpcError(
      Status.invalidArgument,
      `the filter's regular expression is not valid: ${(cause as Error).message}`,
    );
  }
}

/** .NET expressions may set options at their start, as in `(?i)order`. */
function withoutInlineFlags(source: string): { pattern: string; flags: string } {
  const inline = /^\(\?([ims]+)\)/.exec(source);
  return inline
    ? { pattern: source.slice(inline[0].length), flags: [...new Set(inline[1])].join('') }
    : { pattern: source, flags: '' };
}
