import { nameUuids } from '../structures/name-uuid.ts';
import type { AttemptError } from './events.ts';

const uuidOf = nameUuids('0c1d3f5e-2a52-5b0e-9d64-8f1f0e3a7c11');

const PATTERN_LENGTH = 300;
const FINGERPRINT_DIGITS = 12;

/** What differs from task to task in the messages of one failure. The order matters: an id holds numbers. */
const VARYING: readonly (readonly [what: RegExp, mark: string])[] = [
  [/"[^"]*"|(?<!\w)'[^']*'(?!\w)|`[^`]*`/g, '"…"'],
  [/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, '<id>'],
  [/\b(?=[a-f]*\d)[0-9a-f]{8,}\b/gi, '<id>'],
  [/\d+/g, '<n>'],
  [/\s+/g, ' '],
];

/** An error message without what differs from task to task: ids, numbers and quoted text. */
export const messagePattern = (message: string): string =>
  VARYING.reduce((text, [what, mark]) => text.replace(what, mark), message)
    .trim()
    .slice(0, PATTERN_LENGTH);

/**
 * Names the failure: errors with the same code and the same pattern of message have the same fingerprint, 12 hexadecimal digits. For
 * grouping dead letters.
 */
export const errorFingerprint = ({ code, message }: Pick<AttemptError, 'code' | 'message'>): string =>
  uuidOf(`${code}\n${messagePattern(message)}`.replace(/\p{Surrogate}/gu, '�'))
    .replaceAll('-', '')
    .slice(0, FINGERPRINT_DIGITS);
