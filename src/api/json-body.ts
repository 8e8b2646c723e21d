import { isUtf8 } from 'node:buffer';
import { EdgeError } from './errors.ts';
import { scanJson } from './json-scanner.ts';

/** Eight payloads of the largest size, or a bulk submission of 1,000 small tasks. */
export const MAX_BODY_BYTES = 2 * 1024 * 1024;

export type BodySource = {
  readonly contentType: string | null | undefined;
  readonly contentEncoding: string | null | undefined;
  readonly contentLength: string | null | undefined;
  readonly bytes: AsyncIterable<Uint8Array> | null | undefined;
};

const tooLarge = (limit: number): EdgeError =>
  new EdgeError('BODY_TOO_LARGE', `the body is larger than ${limit} bytes`, { limit });

const JSON_TYPE = /^application\/(?:[a-z0-9.-]+\+)?json\s*(?:;|$)/i;

/** Only JSON, not compressed: another type is refused also because a web page may send it across sites without asking. */
const checkHeaders = ({ contentType, contentEncoding, contentLength }: BodySource, limit: number): void => {
  if (!JSON_TYPE.test(contentType ?? ''))
    throw new EdgeError('UNSUPPORTED_MEDIA_TYPE', 'send the body as application/json');
  if (contentEncoding && contentEncoding.toLowerCase() !== 'identity')
    throw new EdgeError('UNSUPPORTED_MEDIA_TYPE', 'compressed bodies are not taken');
  if (contentLength && Number(contentLength) > limit) throw tooLarge(limit);
};

/** Bytes beyond the limit that are read and dropped: a client that is cut off while it sends does not get to read why. */
const DISCARDED_BYTES = 8 * 1024 * 1024;

const readBytes = async (source: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.byteLength;
    if (size <= limit) chunks.push(chunk);
    else if (size > limit + DISCARDED_BYTES) break;
  }
  if (size > limit) throw tooLarge(limit);
  return Buffer.concat(chunks, size);
};

/** A text in UTF-16 has a NUL among its first two bytes, which is valid UTF-8. */
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

/**
 * Reads a JSON body, checked before it is parsed.
 *
 * Errors: `EdgeError` as of `scanJson`, and `BODY_TOO_LARGE`, `UNSUPPORTED_MEDIA_TYPE`, `INVALID_ENCODING`.
 */
export const readJsonBody = async (source: BodySource, limit = MAX_BODY_BYTES): Promise<unknown> => {
  checkHeaders(source, limit);
  return parseJson(decode(await readBytes(source.bytes ?? emptyBody(), limit)));
};

async function* emptyBody(): AsyncIterable<Uint8Array> {}
