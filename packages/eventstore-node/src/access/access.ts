import type { IncomingHttpHeaders } from 'node:http2';

/** A user who proved to be that. */
export type User = {
  readonly name: string;
  readonly groups: readonly string[];
};

/** Who makes a call. `system` may do everything: it is every caller of a node that runs without TLS. */
export type Caller = 'system' | 'anonymous' | User;

export type StreamAction = 'read' | 'write' | 'delete' | 'readMetadata' | 'writeMetadata';

/** Decides who calls and what they may do. */
export interface Access {
  /** Throws UNAUTHENTICATED for credentials that are wrong; without any the caller is anonymous. */
  identify(headers: IncomingHttpHeaders): Caller;
  allows(caller: Caller, action: StreamAction, streamName: string): boolean;
  /** Throws PERMISSION_DENIED with the trailer `exception=access-denied` unless it is allowed. */
  checkStream(caller: Caller, action: StreamAction, streamName: string): void;
  /** Throws the same unless the caller is of `$admins` or `$ops`. */
  checkOperator(caller: Caller): void;
}

/** For a node without TLS: the client sends no credentials over such a connection, so callers cannot be distinguished. */
export const openAccess: Access = {
  identify: () => 'system',
  allows: () => true,
  checkStream: () => {},
  checkOperator: () => {},
};
