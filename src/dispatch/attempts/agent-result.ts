import { findJsonIssue, type Json, type JsonIssue, MAX_PAYLOAD_BYTES } from '../../domain/json.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import { badResponse, TransportError } from '../transports/transport.ts';

const refuse = ({ code, pointer, message }: JsonIssue): never => {
  throw badResponse('AGENT_RESPONSE_INVALID', `${code} at ${pointer.slice(0, 200) || '/'}: ${message}`);
};

/** What a function returns may hold dates and other objects with a form of their own: their JSON is what counts. */
const jsonOf = (value: unknown): string => {
  try {
    const issue = findJsonIssue(value);
    return issue ? refuse(issue) : JSON.stringify(value);
  } catch (error) {
    if (error instanceof TransportError) throw error;
    throw badResponse('AGENT_RESPONSE_INVALID', 'the result cannot be written as JSON', error);
  }
};

/**
 * An agent's answer in a form that the log can hold. It is checked before the append: afterwards it would be a poison event.
 *
 * Errors: `TransportError` `AGENT_RESPONSE_INVALID` or `AGENT_RESPONSE_TOO_LARGE`.
 */
export const acceptResult = (value: unknown): Json => {
  const text = jsonOf(value === undefined ? null : value) ?? 'null';
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_PAYLOAD_BYTES)
    throw badResponse(
      'AGENT_RESPONSE_TOO_LARGE',
      `the result has ${bytes} bytes of JSON, the limit is ${MAX_PAYLOAD_BYTES}`,
    );
  const result = JSON.parse(text) as Json;
  const issue = findJsonIssue(result);
  return issue ? refuse(issue) : result;
};

const MAX_MESSAGE = 2_000;
const MAX_CODE = 100;

/** Text of a third party, shortened, without what the log refuses. A function written in JavaScript may put anything in its place. */
const safeText = (text: unknown, length: number): string =>
  (typeof text === 'string' ? text : '').slice(0, length).replaceAll('\u0000', '').toWellFormed();

export const attemptError = (error: AttemptError): AttemptError => ({
  ...error,
  code: safeText(error.code, MAX_CODE).replace(/[^\w.:-]/g, '_') || 'AGENT_FAILED',
  message: safeText(error.message, MAX_MESSAGE),
  retryable: error.retryable !== false,
});
