import { randomUUID } from 'node:crypto';
import { GrpcError } from '../grpc/status.ts';
import { ProtoReader } from '../protobuf/reader.ts';
import { varintSize } from '../protobuf/writer.ts';
import { MAX_NAME_BYTES, type ProposedEvent } from '../storage/record.ts';
import type { Expected } from '../store/append-rules.ts';
import type { ExpectedState } from '../store/operations.ts';
import { proposedEvent } from '../store/proposed-event.ts';
import { BadAppend, checkStreamName, type StreamRef, streamRef } from './append-request.ts';
import { NIL_UUID, textToUuid } from './uuid.ts';
import { objectAsJson, readProperty } from './v2-properties.ts';

/** `AppendRequest`: records for one stream. They are read one by one, when it is known that the caller may write there. */
export type StreamAppend = {
  readonly stream: StreamRef;
  readonly expected: Expected;
  readonly records: readonly ProtoReader[];
};

export type RecordToAppend = {
  /** Of `AppendRecords`; the empty name if there is none. */
  readonly stream: StreamRef;
  readonly event: ProposedEvent;
  /** Bytes that count against the limits: data, properties and schema name. */
  readonly size: number;
};

/** `AppendRecordsRequest`. */
export type RecordsAppend = {
  readonly records: readonly ProtoReader[];
  readonly checks: readonly StateCheck[];
};

export type StateCheck = { readonly stream: StreamRef; readonly expected: ExpectedState };

/** Expected revisions below zero, as both calls send them. */
const STATES: ReadonlyMap<bigint, ExpectedState> = new Map([
  [-1n, 'no_stream'],
  [-2n, 'any'],
  [-4n, 'stream_exists'],
  [-5n, 'soft_deleted'],
  [-6n, 'tombstoned'],
]);
const CODES = new Map([...STATES].map(([code, state]) => [state, code]));

export const codeOf = (expected: ExpectedState): bigint =>
  typeof expected === 'bigint' ? expected : (CODES.get(expected) as bigint);

const NO_NAME = streamRef(Buffer.alloc(0));

/** Throws `BadAppend` or `MalformedMessage`, as all of these do. */
export const readStreamAppend = (message: Buffer): StreamAppend => {
  const reader = new ProtoReader(message);
  let stream = NO_NAME;
  let code = -2n;
  const records: ProtoReader[] = [];
  while (reader.next()) {
    if (reader.field === 1) stream = streamRef(reader.bytes());
    else if (reader.field === 2) records.push(reader.message());
    else if (reader.field === 3) code = reader.sint64();
  }
  checkName(stream);
  const expected = stateOf(code);
  if (expected === undefined || expected === 'soft_deleted' || expected === 'tombstoned') {
    throw new BadAppend(`the expected revision is ${code}: use a revision, -1 (no stream), -2 (any) or -4 (exists)`);
  }
  if (records.length === 0) throw new BadAppend(`there are no records for stream "${stream.name.slice(0, 80)}"`);
  return { stream, expected, records };
};

export const readRecordsAppend = (message: Buffer): RecordsAppend => {
  const reader = new ProtoReader(message);
  const records: ProtoReader[] = [];
  const checks: StateCheck[] = [];
  while (reader.next()) {
    if (reader.field === 1) records.push(reader.message());
    else if (reader.field === 2) checks.push(readCheck(reader.message()));
  }
  if (records.length === 0) throw new BadAppend('there are no records to append');
  return { records, checks };
};

const readCheck = (check: ProtoReader): StateCheck => {
  let state: StateCheck | undefined;
  while (check.next()) if (check.field === 1) state = readStreamState(check.message());
  if (state === undefined) throw new BadAppend('a check is not about the state of a stream');
  return state;
};

const readStreamState = (check: ProtoReader): StateCheck => {
  let stream = NO_NAME;
  let code = 0n;
  while (check.next()) {
    if (check.field === 1) stream = streamRef(check.bytes());
    else if (check.field === 2) code = check.sint64();
  }
  checkName(stream);
  const expected = stateOf(code);
  if (expected === undefined || expected === 'any') {
    const states = '-1 (no stream), -4 (exists), -5 (deleted) or -6 (tombstoned)';
    throw new BadAppend(`the expected state is ${code}: use a revision, ${states}`);
  }
  return { stream, expected };
};

const stateOf = (code: bigint): ExpectedState | undefined => (code >= 0n ? code : STATES.get(code));

/** As `checkStreamName`, but a name of spaces is none. */
export const checkName = (stream: StreamRef): void => {
  if (stream.name.trim() === '') throw new BadAppend('the stream name is empty');
  checkStreamName(stream);
};

type Schema = {
  readonly format: string;
  readonly name: Buffer;
  readonly id: string | undefined;
};

/** By their numbers. */
const FORMATS: readonly (string | undefined)[] = [undefined, 'Json', 'Protobuf', 'Avro', 'Bytes'];
const JSON_FORMAT = 'Json';
const NAME = /^[\w.$:-]+$/;

const FORMAT_KEY = '$schema.format';
const ID_KEY = '$schema.id';
const NAME_KEY = '$schema.name';

/** `AppendRecord`. */
export const readRecord = (record: ProtoReader): RecordToAppend => {
  const { buffer } = record;
  const properties = new Map<string, string>();
  let stream = NO_NAME;
  let id: string | undefined;
  let schema: Schema | undefined;
  let data = buffer.subarray(0, 0);
  let size = 0;
  while (record.next()) {
    if (record.field === 1) id = readId(record.text(), 'record id');
    else if (record.field === 2) {
      const entry = record.message();
      size += fieldSize(record.stop - record.start);
      properties.set(...readProperty(entry));
    } else if (record.field === 3) schema = readSchema(record.message());
    else if (record.field === 4) data = record.bytes();
    else if (record.field === 5) stream = streamRef(record.bytes());
  }
  if (schema === undefined) throw new BadAppend('a record has no schema');
  size += data.length + schema.name.length + addSchema(properties, schema);
  const json = schema.format === JSON_FORMAT;
  const metadata = Buffer.from(objectAsJson(properties), 'utf8');
  return { stream, event: proposedEvent({ id: id ?? randomUUID(), json, type: schema.name, data, metadata }), size };
};

const readSchema = (message: ProtoReader): Schema => {
  let format = 0;
  let name: Buffer = Buffer.alloc(0);
  let id: string | undefined;
  while (message.next()) {
    if (message.field === 1) format = message.uint();
    else if (message.field === 2) name = message.bytes();
    else if (message.field === 3) id = readId(message.text(), 'schema id');
  }
  const known = FORMATS[format];
  if (known === undefined) throw new BadAppend(`schema format ${format} does not exist: use 1 (JSON) to 4 (bytes)`);
  const text = name.toString('latin1');
  if (name.length > MAX_NAME_BYTES) throw new BadAppend(`a schema name is longer than ${MAX_NAME_BYTES} bytes`);
  if (!NAME.test(text)) {
    throw new BadAppend(`schema name "${text.slice(0, 80)}": use letters, digits and the characters _ - . : $`);
  }
  return { format: known, name, id };
};

/**
 * What the real server adds to the properties when an older client reads the event. Returns the bytes of those it stores,
 * which count.
 */
const addSchema = (properties: Map<string, string>, { format, name, id }: Schema): number => {
  const stored: [key: string, value: string][] = [];
  if (format !== JSON_FORMAT) stored.push([FORMAT_KEY, format]);
  if (id !== undefined) stored.push([ID_KEY, id]);
  for (const [key, value] of stored) properties.set(key, JSON.stringify(value));
  properties.set(NAME_KEY, JSON.stringify(name.toString('latin1')));
  if (format === JSON_FORMAT) properties.set(FORMAT_KEY, JSON.stringify(format));
  return stored.reduce((sum, [key, value]) => sum + entrySize(key.length, value.length), 0);
};

/** Bytes of a map entry whose value is a text. */
const entrySize = (key: number, text: number): number => fieldSize(fieldSize(key) + fieldSize(fieldSize(text)));

const fieldSize = (length: number): number => 1 + varintSize(length) + length;

const readId = (text: string, what: string): string => {
  try {
    const id = textToUuid(text);
    if (id === NIL_UUID) throw new BadAppend(`the ${what} is empty`);
    return id;
  } catch (error) {
    throw error instanceof GrpcError ? new BadAppend(`the ${what} is not valid: ${error.message}`) : error;
  }
};
