import type { Caller } from '../../commands/context.ts';

/** The parts of a request that identify the caller, for every protocol. */
export type RequestFacts = { header(name: string): string | undefined };

/** Who calls, by the headers of the request. */
export type CallerOf = (request: RequestFacts) => Caller;

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The header is a structured string, `"key"`; most clients send it bare. */
const unquoted = (key: string): string => (/^".*"$/.test(key) ? key.slice(1, -1) : key);

/** The one place that decides who calls. Nobody signs in yet, so the tenant is the one that this server works for. */
export const callersOf =
  (tenant: string): CallerOf =>
  (request) => {
    const key = request.header('idempotency-key');
    const traceparent = request.header('traceparent');
    return {
      tenant,
      actor: 'anonymous',
      ...(key === undefined ? {} : { idempotencyKey: unquoted(key) }),
      ...(traceparent !== undefined && TRACEPARENT.test(traceparent) ? { traceparent } : {}),
    };
  };
