import type { Caller } from '../../commands/context.ts';
import { DEFAULT_TENANT } from '../../domain/ids.ts';

/** What of a request says who calls, whatever the protocol. */
export type RequestFacts = { header(name: string): string | undefined };

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The header is a structured string, `"key"`; most clients send it bare. */
const unquoted = (key: string): string => (/^".*"$/.test(key) ? key.slice(1, -1) : key);

/** The one place that decides who calls. There is one tenant and nobody signs in yet. */
export const callerOf = (request: RequestFacts): Caller => {
  const key = request.header('idempotency-key');
  const traceparent = request.header('traceparent');
  return {
    tenant: DEFAULT_TENANT,
    actor: 'anonymous',
    ...(key === undefined ? {} : { idempotencyKey: unquoted(key) }),
    ...(traceparent !== undefined && TRACEPARENT.test(traceparent) ? { traceparent } : {}),
  };
};
