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
  readonly code: StatusCode;
  readonly trailers: Readonly<Record<string, string>>;

  constructor(code: StatusCode, message: string, trailers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.code = code;
    this.trailers = trailers;
  }
}

/** Clients take some 64 kB of trailers; a stream name alone may be as long, and three times as long once encoded. */
const MAX_VALUE = 16 * 1024;
/** Characters. */
const MAX_MESSAGE = 1_000;

/**
 * Trailer values are printable ASCII on the wire, without spaces at either end, which a client strips or refuses;
 * everything else is percent-encoded as UTF-8. Values that are too long for a client are cut.
 */
export const asciiValue = (text: string): string => {
  const encoded = text.replace(/[^\x20-\x7e]+|^ | $/gu, encodeURIComponentSafe);
  return encoded.length <= MAX_VALUE ? encoded : encoded.slice(0, MAX_VALUE).replace(/%[0-9A-F]?$/, '');
};

/** `grpc-message` percent-encodes `%` as well. */
export const statusMessage = (text: string): string =>
  text.slice(0, MAX_MESSAGE).replace(/[^\x20-\x24\x26-\x7e]+|^ | $/gu, encodeURIComponentSafe);

const encodeURIComponentSafe = (text: string): string => encodeURIComponent(text.toWellFormed());
