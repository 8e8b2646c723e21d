import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** A certificate (or a chain, its own first) with its private key, each as a PEM file or as PEM text. */
export type TlsFiles = {
  readonly certFile?: string;
  readonly cert?: string | Buffer;
  readonly keyFile?: string;
  readonly key?: string | Buffer;
};

export type TlsIdentity = {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** File clients need to trust the certificate, if that is the certificate itself. */
  readonly caFile: string | undefined;
};

type Source = {
  /** What to call it in an error, with the option it comes from. */
  readonly title: string;
  readonly pem: Buffer;
};

/** Throws an error that names the option and the file that are wrong. */
export const loadTls = ({ certFile, cert, keyFile, key }: TlsFiles): TlsIdentity => {
  const certSource = load('certificate', 'cert', certFile, cert);
  const keySource = load('private key', 'key', keyFile, key);
  const certificate = parsed(certSource, 'a certificate', (pem) => new X509Certificate(pem));
  const privateKey: KeyObject = parsed(keySource, 'a private key without a passphrase', (pem) => createPrivateKey(pem));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Error(`${certSource.title} and ${keySource.title} do not belong together`);
  }
  const isSelfSigned = certificate.checkIssued(certificate);
  const caFile = isSelfSigned && certFile !== undefined ? resolve(certFile) : undefined;
  return { cert: certSource.pem, key: keySource.pem, caFile };
};

const load = (
  what: string,
  option: 'cert' | 'key',
  file: string | undefined,
  pem: string | Buffer | undefined,
): Source => {
  if (file !== undefined && pem !== undefined)
    throw new Error(`tls.${option} and tls.${option}File exclude each other`);
  if (pem !== undefined) return { title: `the ${what} (tls.${option})`, pem: Buffer.from(pem) };
  if (file === undefined) throw new Error(`the ${what} is missing: tls.${option}File or tls.${option} is needed`);
  const title = `the ${what} ${file} (tls.${option}File, --tls-${option})`;
  try {
    return { title, pem: readFileSync(file) };
  } catch (error) {
    throw new Error(`${title} cannot be read: ${(error as Error).message}`, { cause: error });
  }
};

const parsed = <T>({ title, pem }: Source, expected: string, parse: (pem: Buffer) => T): T => {
  try {
    return parse(pem);
  } catch (error) {
    throw new Error(`${title} is not ${expected} in PEM form`, { cause: error });
  }
};
