import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { EdgeError } from '../errors.ts';
import { scanJson } from './json-scanner.ts';

/** Eight payloads of the largest size, or a bulk submission of 1,000 small tasks. */
export const MAX_BODY_BYTES = 2 * 1024 * 1024;

const tooLarge = (limit: number): EdgeError =>
  new EdgeError('BODY_TOO_LARGE', `the body is larger than ${limit} bytes`, { limit });

const JSON_TYPE = /^application\/(?:[a-z0-9.-]+\+)?json\s*(?:;|$)/i;

/** What is expected of a body. */
export type BodyKind = {
  readonly type: RegExp;
  /** The type as a caller would send it. */
  readonly name: string;
  /** Bytes. */
  readonly limit: number;
};

/** One type, not compressed. Other types are refused also because a page of another site may send them without a preflight request. */
const checkHeaders = ({ headers }: IncomingMessage, { type, name, limit }: BodyKind): void => {
  if (!type.test(headers['content-type'] ?? ''))
    throw new EdgeError('UNSUPPORTED_MEDIA_TYPE', `send the body as ${name}`);
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    throw new EdgeError('UNSUPPORTED_MEDIA_TYPE', 'compressed bodies are not accepted');
  if (Number(headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
};

/** Bytes beyond the limit that are read and dropped: a client that is cut off while it sends cannot read the reason. */
const DISCARDED_BYTES = 8 * 1024 * 1024;

/** With events: an async iterator over the request costs twice as much as everything else about a small body. */
const readBytes = (request: IncomingMessage, limit: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size <= limit) chunks.push(chunk);
      else if (size > limit + DISCARDED_BYTES) request.destroy(tooLarge(limit));
    });
    request.once('end', () => (size > limit ? reject(tooLarge(limit)) : resolve(Buffer.concat(chunks, size))));
    request.once('error', (error) =>
      reject(error instanceof EdgeError ? error : new EdgeError('BAD_REQUEST', 'the body was cut off')),
    );
  });

/** UTF-16 text has a NUL among its first two bytes, which alone is valid UTF-8. */
const decode = (bytes: Buffer): string => {
  if (!isUtf8(bytes) || bytes[0] === 0 || bytes[1] === 0)
    throw new EdgeError('INVALID_ENCODING', 'the body is not UTF-8');
  return bytes.toString('utf8');
};

/** Parses a JSON text that passes `scanJson`. */
export const parseJson = (text: string): unknown => {
  scanJson(text);
  return JSON.parse(text);
};

/** Whether the request has a body. */
export const hasBody = ({ headers }: IncomingMessage): boolean => {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
};

/**
 * Reads a body as text.
 *
 * Errors: `EdgeError` `BODY_TOO_LARGE`, `UNSUPPORTED_MEDIA_TYPE`, `INVALID_ENCODING`, `BAD_REQUEST` when it was cut off.
 */
export const readTextBody = async (request: IncomingMessage, kind: BodyKind): Promise<string> => {
  checkHeaders(request, kind);
  return decode(await readBytes(request, kind.limit));
};

/**
 * Reads a JSON body, checked before it is parsed.
 *
 * Errors: `EdgeError` as of `scanJson` and `readTextBody`.
 */
export const readJsonBody = async (request: IncomingMessage, limit = MAX_BODY_BYTES): Promise<unknown> =>
  parseJson(await readTextBody(request, { type: JSON_TYPE, name: 'application/json', limit }));
