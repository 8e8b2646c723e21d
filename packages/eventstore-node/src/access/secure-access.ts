import type { IncomingHttpHeaders } from 'node:http2';
import { GrpcError, Status } from '../grpc/status.ts';
import type { EventStore } from '../store/event-store.ts';
import type { Access, Caller, StreamAction } from './access.ts';
import { type Acl, type DefaultAcls, isAllowed, isOperator, parseAcl, SETTINGS } from './acl.ts';
import type { UserDirectory } from './user-directory.ts';

const NO_DEFAULTS: DefaultAcls = { userStreams: undefined, systemStreams: undefined };

/** Of a node with TLS: users log in, and access lists in the metadata of streams say what they may do. */
export class SecureAccess implements Access {
  #settings: { readonly ordinal: number; readonly defaults: DefaultAcls } | undefined;
  readonly #acls = {
    of: (streamName: string): Acl | undefined => this.#store.metadata(streamName).acl,
    defaults: (): DefaultAcls => this.#defaults(),
  };

  readonly #users: UserDirectory;
  readonly #store: EventStore;

  constructor(users: UserDirectory, store: EventStore) {
    this.#users = users;
    this.#store = store;
  }

  identify({ authorization }: IncomingHttpHeaders): Caller {
    if (authorization === undefined) return 'anonymous';
    const credentials = basicCredentials(authorization);
    const user = credentials && this.#users.verify(credentials.name, credentials.password);
    if (!user) throw new GrpcError(Status.unauthenticated, 'the credentials are not valid');
    return user;
  }

  /** Anonymous callers may use no stream, regardless of its access list, as in 23.10 and later. */
  allows(caller: Caller, action: StreamAction, streamName: string): boolean {
    if (typeof caller === 'string') return caller === 'system';
    return isAllowed(caller, action, streamName, this.#acls);
  }

  checkStream(caller: Caller, action: StreamAction, streamName: string): void {
    if (!this.allows(caller, action, streamName)) throw accessDenied();
  }

  checkOperator(caller: Caller): void {
    if (caller === 'system') return;
    if (caller === 'anonymous' || !isOperator(caller)) throw accessDenied();
  }

  /** Parsed again only when there is a newer event. */
  #defaults(): DefaultAcls {
    const { index } = this.#store;
    const stream = index.find(SETTINGS);
    const size = stream === undefined ? 0 : index.size(stream);
    if (stream === undefined || size === 0) return NO_DEFAULTS;
    const ordinal = index.ordinal(stream, size - 1);
    if (this.#settings?.ordinal !== ordinal) {
      this.#settings = { ordinal, defaults: parseSettings(this.#store.record(ordinal).data) };
    }
    return this.#settings.defaults;
  }
}

const accessDenied = (): GrpcError =>
  new GrpcError(Status.permissionDenied, 'Access Denied', { exception: 'access-denied' });

/** Name and password of a `Basic` header; undefined if it is anything else. */
export const basicCredentials = (header: string): { name: string; password: string } | undefined => {
  const encoded = /^basic +([\w+/=-]+) *$/i.exec(header)?.[1];
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
};

/** `$settings` that are not JSON set nothing. */
const parseSettings = (data: Buffer): DefaultAcls => {
  try {
    const raw = JSON.parse(data.toString('utf8')) as Record<string, unknown> | null;
    return { userStreams: parseAcl(raw?.['$userStreamAcl']), systemStreams: parseAcl(raw?.['$systemStreamAcl']) };
  } catch {
    return NO_DEFAULTS;
  }
};
