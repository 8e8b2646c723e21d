import { A2AError } from '@a2a-js/sdk/errors';
import { MAX_RETRY_AFTER_MS, networkFailure } from '../egress/agent-http.ts';
import { badResponse, TransportError } from './transport.ts';

const MAX_QUOTE = 500;

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

/** The pause that an error of JSON-RPC asks for by `google.rpc.RetryInfo` in its data, such as `{"retryDelay": "1.5s"}`. */
const pauseIn = (error: Error): { readonly retryAfterMs?: number } => {
  const details: unknown = 'data' in error ? error.data : undefined;
  if (!Array.isArray(details)) return {};
  const info = details.find((detail: { '@type'?: unknown } | null) => detail?.['@type'] === RETRY_INFO);
  const seconds = /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(String((info as { retryDelay?: unknown })?.retryDelay))?.[1];
  const askedMs = Math.min(Math.ceil(Number(seconds) * 1_000), MAX_RETRY_AFTER_MS);
  return askedMs > 0 ? { retryAfterMs: askedMs } : {};
};

const agentError = (code: string, error: Error, retryable: boolean, outcomeKnown = true): TransportError =>
  new TransportError(code, error.message.slice(0, MAX_QUOTE), {
    source: 'agent',
    retryable,
    outcomeKnown,
    cause: error,
    ...pauseIn(error),
  });

/** By A2A's own reason, which all its bindings share. */
const protocolAnswer = (error: A2AError): TransportError => {
  switch (error.reason) {
    case 'VERSION_NOT_SUPPORTED':
      return agentError('AGENT_VERSION_UNSUPPORTED', error, false);
    case 'TASK_NOT_FOUND':
      return agentError('AGENT_TASK_LOST', error, true, false);
    case 'INVALID_PARAMS':
    case 'CONTENT_TYPE_NOT_SUPPORTED':
    case 'UNSUPPORTED_OPERATION':
    case 'EXTENSION_SUPPORT_REQUIRED':
      return agentError('AGENT_REFUSED_REQUEST', error, false);
    default:
      return agentError('AGENT_ERROR', error, true);
  }
};

/** Without the client's own words: they quote what came, and that may be no agent's answer but a page that the caller must not see. */
const brokenProtocol = (error: unknown): TransportError => {
  const what = error instanceof SyntaxError ? 'the answer is not JSON' : 'the answer does not follow the A2A protocol';
  return badResponse('AGENT_PROTOCOL_ERROR', `${what}; the dispatcher logs the details at level debug`, error);
};

const causeOf = (error: unknown): unknown => (error instanceof Error ? error.cause : undefined);

/**
 * What an error of the A2A client means for the attempt. The client throws plain errors for answers that break the protocol (garbage, a
 * wrong id, a missing result), so any error that comes neither from the network nor from the agent is of that kind.
 */
export const failureOfCall = (error: unknown): TransportError => {
  if (error instanceof A2AError) return protocolAnswer(error);
  const network = networkFailure(error);
  if (network) return network;
  const cause = causeOf(error);
  return cause instanceof A2AError ? protocolAnswer(cause) : brokenProtocol(error);
};

/** A failure after the request was accepted: whatever the error says, the agent may be working. */
export const afterSending = (error: TransportError): TransportError =>
  error.source === 'agent' || !error.outcomeKnown
    ? error
    : new TransportError(error.code, error.message, {
        source: error.source,
        retryable: error.retryable,
        outcomeKnown: false,
        cause: error.cause,
        ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
      });
