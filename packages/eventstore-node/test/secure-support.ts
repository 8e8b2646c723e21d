import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EventStoreDBClient } from '@eventstore/db-client';
import { onTestFinished } from 'vitest';
import { type NodeOptions, type RunningNode, startEventStoreNode } from '../src/index.ts';
import { selfSignedCertificate } from './certificate.ts';
import { connect, temporaryFolder } from './support.ts';

export const certificate = selfSignedCertificate();

export const ADMIN = { username: 'admin', password: 'changeit' };
export const OPS = { username: 'ops', password: 'changeit' };
export const ALICE = { username: 'alice', password: 'p@ss:w/örd?' };
export const BOB = { username: 'bob', password: 'bob' };

export const USERS = [
  { name: 'admin', password: 'changeit', groups: ['$admins'] },
  { name: 'ops', password: 'changeit', groups: ['$ops'] },
  { name: ALICE.username, password: ALICE.password, groups: ['readers'] },
  { name: BOB.username, password: BOB.password, groups: [] },
];

type Credentials = typeof ADMIN;

/** The certificate and its key as files. */
export const certificateFiles = async (): Promise<{ certFile: string; keyFile: string }> => {
  const folder = await temporaryFolder();
  const [certFile, keyFile] = [join(folder, 'node.crt'), join(folder, 'node.key')];
  await writeFile(certFile, certificate.cert);
  await writeFile(keyFile, certificate.key);
  await chmod(keyFile, 0o600);
  return { certFile, keyFile };
};

export type SecureNode = {
  readonly node: RunningNode;
  readonly files: { readonly certFile: string; readonly keyFile: string };
  /** A client whose calls carry these credentials unless they name others. */
  client(credentials?: Credentials): EventStoreDBClient;
};

/** A node over TLS, in memory and with `USERS` unless told otherwise; gone when the test is. */
export const startSecureNode = async (options: NodeOptions = { inMemory: true, users: USERS }): Promise<SecureNode> => {
  const files = await certificateFiles();
  const node = await startEventStoreNode({ tls: files, ...options });
  onTestFinished(() => node.stop());
  return { node, files, client: (credentials) => connect(withCredentials(node.connectionString, credentials)) };
};

export const withCredentials = (connectionString: string, credentials?: Credentials): string => {
  if (!credentials) return connectionString;
  const { username, password } = credentials;
  return connectionString.replace('://', `://${encodeURIComponent(username)}:${encodeURIComponent(password)}@`);
};
