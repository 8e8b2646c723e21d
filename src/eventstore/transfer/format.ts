import { z } from 'zod';
import { AppError } from '../../platform/errors.ts';
import type { Position } from '../event-store.ts';
import type { RecordedEvent } from './raw-read.ts';
import type { Selection } from './selection.ts';

/*
 * An export file holds lines of JSON: a header, then one event per line in log order, then possibly checkpoints, which say
 * that the log was read up to there. docs/guides/eventstore-node.md describes it for others.
 */

const FORMAT = 'baton-eventstore-export';
const VERSION = 1;

const headerSchema = z.object({
  format: z.literal(FORMAT),
  version: z.number(),
  exportedAt: z.string(),
  streams: z.array(z.string()),
  includeSystem: z.boolean(),
});

type Header = z.infer<typeof headerSchema>;

const digits = z.string().regex(/^\d{1,20}$/);
const base64 = z.base64().optional();

const eventSchema = z.object({
  position: digits,
  stream: z.string().min(1),
  revision: digits,
  id: z.guid(),
  type: z.string().min(1),
  contentType: z.enum(['application/json', 'application/octet-stream']),
  created: z.string(),
  data: z.unknown().optional(),
  dataBase64: base64,
  metadata: z.unknown().optional(),
  metadataBase64: base64,
});

const checkpointSchema = z.object({ checkpoint: digits });

export type Line =
  | { readonly kind: 'event'; readonly event: RecordedEvent }
  | { readonly kind: 'checkpoint'; readonly position: Position };

export const headerLine = ({ streams, includeSystem }: Selection, exportedAt: string): string => {
  const header: Header = { format: FORMAT, version: VERSION, exportedAt, streams: [...streams], includeSystem };
  return `${JSON.stringify(header)}\n`;
};

export const checkpointLine = (position: Position): string => `${JSON.stringify({ checkpoint: String(position) })}\n`;

export const eventLine = (event: RecordedEvent): string => {
  const { position, stream, revision, id, type, isJson, created } = event;
  return `${JSON.stringify({
    position: String(position),
    stream,
    revision: String(revision),
    id,
    type,
    contentType: isJson ? 'application/json' : 'application/octet-stream',
    created,
    ...bytesAs('data', event.data, isJson),
    ...bytesAs('metadata', event.metadata, true),
  })}\n`;
};

/** As JSON if that gives back the same bytes, otherwise in base64; nothing if it is empty. */
const bytesAs = (name: 'data' | 'metadata', bytes: Uint8Array, tryJson: boolean): Record<string, unknown> => {
  if (bytes.length === 0) return {};
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = tryJson ? jsonOf(buffer) : undefined;
  return value === undefined ? { [`${name}Base64`]: buffer.toString('base64') } : { [name]: value };
};

const jsonOf = (bytes: Buffer): unknown => {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return bytes.equals(Buffer.from(JSON.stringify(value))) ? value : undefined;
  } catch {
    return undefined; // declared as JSON, but is not
  }
};

/** A malformed line or file; `where` says which. */
export const badFile = (where: string, problem: string, cause?: unknown): AppError =>
  new AppError('BAD_USER_INPUT', `${where}: ${problem}`, { cause });

/** Throws `AppError` for a file that is not an export, or of a newer version. */
export const parseHeader = (text: string, file: string): Header => {
  const header = headerSchema.safeParse(parseJson(text));
  if (!header.success) throw badFile(file, 'is not an export of an event store: its first line is not a header');
  if (header.data.version !== VERSION)
    throw badFile(file, `is of version ${header.data.version}; this program reads version ${VERSION}`);
  return header.data;
};

export const parseLine = (text: string, where: string): Line => {
  const value = parseJson(text);
  const checkpoint = checkpointSchema.safeParse(value);
  if (checkpoint.success) return { kind: 'checkpoint', position: BigInt(checkpoint.data.checkpoint) };
  const parsed = eventSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw badFile(where, `is not an event: ${issue?.path.join('.') || 'the line'} ${issue?.message ?? ''}`.trimEnd());
  }
  const { position, revision, contentType, data, dataBase64, metadata, metadataBase64, ...rest } = parsed.data;
  const event = {
    ...rest,
    position: BigInt(position),
    revision: BigInt(revision),
    isJson: contentType === 'application/json',
    data: bytesOf(data, dataBase64),
    metadata: bytesOf(metadata, metadataBase64),
  };
  return { kind: 'event', event };
};

const bytesOf = (value: unknown, encoded: string | undefined): Buffer => {
  if (encoded !== undefined) return Buffer.from(encoded, 'base64');
  return value === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(value));
};

/** Undefined if it is not JSON. */
const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
