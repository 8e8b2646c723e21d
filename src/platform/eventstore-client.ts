import { isIP } from 'node:net';
import { EventStoreDBClient } from '@eventstore/db-client';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';

/** What grpc-js makes of credentials when it connects; it has no option for the server name. */
type CredentialsInternals = {
  _createSecureConnector(...args: unknown[]): { readonly connectionOptions: { servername: string } };
};

/**
 * TLS allows no address as server name (RFC 6066), and Node warns of it. The server's certificate is checked against the address all the
 * same. Returns the credentials.
 */
const withoutNumericServerName = (secure: ChannelCredentials): ChannelCredentials => {
  const internals = secure as unknown as CredentialsInternals;
  const create = internals._createSecureConnector;
  internals._createSecureConnector = (...args) => {
    const connector = create.apply(internals, args);
    if (isIP(connector.connectionOptions.servername) !== 0) connector.connectionOptions.servername = '';
    return connector;
  };
  return secure;
};

/** Newer servers speak the same protocol under schemes that the client does not know. */
const toClientUrl = (connectionString: string): string =>
  connectionString.replace(/^kurrentdb(\+discover)?:/, 'esdb$1:');

/**
 * A client for the event store at this URL. It connects with the first call.
 *
 * Errors: throws when the URL, or a file that it names, cannot be used.
 */
export const createEventStoreClient = (connectionString: string): EventStoreDBClient => {
  // The client keeps its credentials to itself, and has used them to find the nodes of a cluster before it opens a channel.
  const { createSsl } = credentials;
  credentials.createSsl = (...args) => withoutNumericServerName(createSsl(...args));
  try {
    return EventStoreDBClient.connectionString(toClientUrl(connectionString));
  } finally {
    credentials.createSsl = createSsl;
  }
};
