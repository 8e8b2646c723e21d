import { GrpcError, Status } from '../grpc/status.ts';
import type { NackAction } from '../persistent/group.ts';
import { ALL, type GroupKey } from '../persistent/settings.ts';
import { ProtoReader } from '../protobuf/reader.ts';
import { readStreamRef } from './append-request.ts';
import { int32, int64 } from './persistent-settings.ts';
import { hasTextOption } from './read-request.ts';
import { readUuid } from './uuid.ts';

/** The requests that name a group put its parts into different fields. */
type KeyFields = {
  readonly group: number;
  readonly stream: number;
  readonly all: number;
};

const DELETE_FIELDS: KeyFields = { stream: 1, group: 2, all: 3 };
const INFO_FIELDS: KeyFields = { stream: 1, all: 2, group: 3 };
const REPLAY_FIELDS: KeyFields = { group: 1, stream: 2, all: 3 };
const READ_FIELDS: KeyFields = { stream: 1, group: 2, all: 5 };

export const readDeleteRequest = (message: Buffer): GroupKey => readKey(optionsOf(message), DELETE_FIELDS);

export const readInfoRequest = (message: Buffer): GroupKey => readKey(optionsOf(message), INFO_FIELDS);

export type ReplayRequest = {
  readonly key: GroupKey;
  /** Revision of the parked stream before which to stop; undefined: no limit. */
  readonly stopAt: number | undefined;
};

export const readReplayRequest = (message: Buffer): ReplayRequest => {
  let stopAt: number | undefined;
  const key = readKey(optionsOf(message), REPLAY_FIELDS, (options) => {
    if (options.field === 4) stopAt = int64(options);
  });
  return { key, stopAt };
};

/** Returns the stream whose groups to list; undefined for all groups. */
export const readListRequest = (message: Buffer): string | undefined => {
  const options = optionsOf(message);
  while (options.next()) if (options.field === 2) return readListSource(options.message());
  return undefined;
};

const readListSource = (message: ProtoReader): string => {
  let stream = '';
  while (message.next()) {
    if (message.field === 1) stream = readStreamRef(message.message()).name;
    else if (message.field === 2) stream = ALL;
  }
  return stream;
};

export type ConnectRequest = {
  readonly key: GroupKey;
  readonly bufferSize: number;
  readonly structuredIds: boolean;
};

/** What a client sends over a `Read` call: options first, then answers to what it gets. */
export type ReadMessage =
  | { readonly kind: 'connect'; readonly request: ConnectRequest }
  | { readonly kind: 'ack'; readonly ids: readonly string[] }
  | { readonly kind: 'nack'; readonly ids: readonly string[]; readonly action: NackAction; readonly reason: string };

export const readReadMessage = (message: Buffer): ReadMessage => {
  const reader = new ProtoReader(message);
  while (reader.next()) {
    if (reader.field === 1) return { kind: 'connect', request: readConnect(reader.message()) };
    if (reader.field === 2) return readAck(reader.message());
    if (reader.field === 3) return readNack(reader.message());
  }
  throw new GrpcError(Status.invalidArgument, 'the message is empty');
};

const readConnect = (options: ProtoReader): ConnectRequest => {
  let bufferSize = 0;
  let structuredIds = true;
  const key = readKey(options, READ_FIELDS, (message) => {
    if (message.field === 3) bufferSize = int32(message);
    else if (message.field === 4) structuredIds = !hasTextOption(message.message());
  });
  return { key, bufferSize, structuredIds };
};

const readAck = (message: ProtoReader): ReadMessage => {
  const ids: string[] = [];
  while (message.next()) if (message.field === 2) ids.push(readUuid(message.message()));
  return { kind: 'ack', ids };
};

/** In the order of the protocol's numbers: unknown, park, retry, skip, stop. Unknown counts as retry, stop as skip. */
const ACTIONS: readonly NackAction[] = ['retry', 'park', 'retry', 'skip', 'skip'];

const readNack = (message: ProtoReader): ReadMessage => {
  const ids: string[] = [];
  let action: NackAction = 'retry';
  let reason = '';
  while (message.next()) {
    if (message.field === 2) ids.push(readUuid(message.message()));
    else if (message.field === 3) action = ACTIONS[message.uint()] ?? 'retry';
    else if (message.field === 4) reason = message.text();
  }
  return { kind: 'nack', ids, action, reason };
};

const optionsOf = (message: Buffer): ProtoReader => {
  const reader = new ProtoReader(message);
  while (reader.next()) if (reader.field === 1) return reader.message();
  throw new GrpcError(Status.invalidArgument, 'the options are missing');
};

const readKey = (
  options: ProtoReader,
  fields: KeyFields,
  readOther: (options: ProtoReader) => void = () => {},
): GroupKey => {
  let stream = '';
  let group = '';
  while (options.next()) {
    if (options.field === fields.stream) stream = readStreamRef(options.message()).name;
    else if (options.field === fields.all) stream = ALL;
    else if (options.field === fields.group) group = options.text();
    else readOther(options);
  }
  return { stream, group };
};
