import { findJsonIssue, type Json, MAX_PAYLOAD_BYTES } from '../../domain/json.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import { badResponse } from '../transports/transport.ts';

/**
 * An agent's answer in a form that the log can hold. It is checked before the append: afterwards it would be a poison event.
 *
 * Errors: `TransportError` `AGENT_RESPONSE_INVALID` or `AGENT_RESPONSE_TOO_LARGE`.
 */
export const acceptResult = (value: unknown): Json => {
  const issue = findJsonIssue(value === undefined ? null : value);
  if (issue)
    throw badResponse(
      'AGENT_RESPONSE_INVALID',
      `${issue.code} at ${issue.pointer.slice(0, 200) || '/'}: ${issue.message}`,
    );
  const text = JSON.stringify(value) ?? 'null';
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_PAYLOAD_BYTES)
    throw badResponse(
      'AGENT_RESPONSE_TOO_LARGE',
      `the result has ${bytes} bytes of JSON, the limit is ${MAX_PAYLOAD_BYTES}`,
    );
  // What a function returns may hold dates and the like; its JSON is what counts.
  return JSON.parse(text) as Json;
};

const MAX_MESSAGE = 2_000;
const MAX_CODE = 100;

/** Text of a third party, shortened, without what the log refuses. */
const safeText = (text: string, length: number): string =>
  text.slice(0, length).replaceAll('\u0000', '').toWellFormed();

export const attemptError = (error: AttemptError): AttemptError => ({
  ...error,
  code: safeText(error.code, MAX_CODE).replace(/[^\w.:-]/g, '_') || 'AGENT_FAILED',
  message: safeText(error.message, MAX_MESSAGE),
});
