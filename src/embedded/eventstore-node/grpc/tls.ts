/** A certificate with its private key, each as a PEM file or as PEM text. */
export interface TlsFiles {
  readonly certFile?: string;
  readonly cert?: string | Buffer;
  readonly keyFile?: string;
  readonly key?: string | Buffer;
}
