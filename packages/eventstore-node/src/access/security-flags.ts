import { loadTls, type TlsFiles } from '../grpc/tls.ts';
import { loadUsers, type UserSettings } from './user-settings.ts';

/** TLS and users as given on a command line. */
export type SecurityFlags = {
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly users: string | undefined;
};

/** Options of a node, and what makes it less safe than it looks. */
export type Security = {
  readonly options: { readonly tls?: TlsFiles; readonly users?: readonly UserSettings[] };
  readonly warnings: readonly string[];
};

/** Reads and checks the files. Throws an error that names the flag, the file and what is wrong with it. */
export const securityFrom = (
  { tlsCert: certFile, tlsKey: keyFile, users: usersFile }: SecurityFlags,
  env: Readonly<Record<string, string | undefined>>,
): Security => {
  if (certFile === undefined && keyFile === undefined) {
    if (usersFile !== undefined) throw new Error('--users needs --tls-cert and --tls-key');
    return { options: {}, warnings: [] };
  }
  if (certFile === undefined || keyFile === undefined) {
    throw new Error(`--tls-cert and --tls-key go together; ${certFile ? '--tls-key' : '--tls-cert'} is missing`);
  }
  const tls = { certFile, keyFile };
  loadTls(tls);
  const { users, warnings } = loadUsers(usersFile, env);
  return { options: { tls, users }, warnings };
};
