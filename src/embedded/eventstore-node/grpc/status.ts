/** gRPC status codes this node uses. */
export const Status = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

export type StatusCode = (typeof Status)[keyof typeof Status];

/** Ends a call with this status; `trailers` carry the machine-readable facts the client builds its error from. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';

  constructor(
    readonly code: StatusCode,
    message: string,
    readonly trailers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** Header and trailer values are printable ASCII on the wire; everything else is percent-encoded as UTF-8. */
export function asciiValue(text: string): string {
  return text.replace(/[^\x20-\x7e]+/gu, encodeURIComponentSafe);
}

/** `grpc-message` percent-encodes `%` as well. */
export function statusMessage(text: string): string {
  return text.replace(/[^\x20-\x24\x26-\x7e]+/gu, encodeURIComponentSafe);
}

function encodeURIComponentSafe(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/gu, (c) => c);
}
