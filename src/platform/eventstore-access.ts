/** gRPC status codes. */
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

/** What to do when the event store wants other credentials, by an error of its client; undefined for other errors. */
export const accessAdvice = (error: unknown): string | undefined => {
  const { code, type } = (error ?? {}) as { readonly code?: unknown; readonly type?: unknown };
  if (code === UNAUTHENTICATED)
    return 'the event store does not accept the user or password in EVENTSTORE_URL (esdb://user:password@host): correct them';
  if (code === PERMISSION_DENIED || type === 'access-denied')
    return 'the event store denies access: name a user in EVENTSTORE_URL (esdb://user:password@host) who may read $all; docs/guides/operations.md says how to allow it';
  return undefined;
};
