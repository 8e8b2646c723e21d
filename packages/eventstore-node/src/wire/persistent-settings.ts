import { GrpcError, Status } from '../grpc/status.ts';
import { ALL, type GroupKey, STRATEGY_NAMES, type StartFrom } from '../persistent/settings.ts';
import { ProtoReader } from '../protobuf/reader.ts';
import { readStreamRef } from './append-request.ts';
import { type FilterRequest, readFilter, readNumber, readPosition } from './read-request.ts';

/** Settings as they came: sizes and the strategy are not checked. */
export type SettingsRequest = {
  resolveLinks: boolean;
  startFrom: StartFrom;
  extraStatistics: boolean;
  messageTimeoutMs: number;
  maxRetryCount: number;
  checkpointAfterMs: number;
  minCheckpointCount: number;
  maxCheckpointCount: number;
  maxSubscriberCount: number;
  liveBufferSize: number;
  readBatchSize: number;
  historyBufferSize: number;
  strategy: string;
};

/** A `CreateReq` or an `UpdateReq`. */
export type GroupRequest = GroupKey & {
  readonly settings: SettingsRequest;
  /** The group was named as one to $all, not as one to a stream of that name. */
  readonly toAll: boolean;
  readonly filter: FilterRequest | undefined;
};

const TICKS_PER_MS = 10_000;

type Source = {
  readonly stream: string;
  readonly toAll: boolean;
  readonly startFrom: StartFrom | undefined;
  readonly filter: FilterRequest | undefined;
};

export const readGroupRequest = (message: Buffer): GroupRequest => {
  const reader = new ProtoReader(message);
  while (reader.next()) if (reader.field === 1) return readOptions(reader.message());
  throw new GrpcError(Status.invalidArgument, 'the options are missing');
};

/** Fields 4 and 5 name the source; before there was $all it was field 1, with the start among the settings. */
const readOptions = (options: ProtoReader): GroupRequest => {
  let source: Source = { stream: '', toAll: false, startFrom: undefined, filter: undefined };
  let group = '';
  let settings = defaults();
  while (options.next()) {
    if (options.field === 1 && source.stream === '')
      source = { ...source, stream: readStreamRef(options.message()).name };
    else if (options.field === 2) group = options.text();
    else if (options.field === 3) settings = readSettings(options.message());
    else if (options.field === 4) source = readStreamSource(options.message());
    else if (options.field === 5) source = readAllSource(options.message());
  }
  const { startFrom = settings.startFrom, stream, toAll, filter } = source;
  return { stream, group, toAll, filter, settings: { ...settings, startFrom } };
};

const readStreamSource = (message: ProtoReader): Source => {
  let stream = '';
  let startFrom: StartFrom = 'start';
  while (message.next()) {
    if (message.field === 1) stream = readStreamRef(message.message()).name;
    else if (message.field === 2) startFrom = readNumber(message);
    else if (message.field === 3) startFrom = 'start';
    else if (message.field === 4) startFrom = 'end';
  }
  return { stream, toAll: false, startFrom, filter: undefined };
};

const readAllSource = (message: ProtoReader): Source => {
  let startFrom: StartFrom = 'start';
  let filter: FilterRequest | undefined;
  while (message.next()) {
    if (message.field === 1) startFrom = readPosition(message.message());
    else if (message.field === 2) startFrom = 'start';
    else if (message.field === 3) startFrom = 'end';
    else if (message.field === 4) filter = readFilter(message.message());
  }
  return { stream: ALL, toAll: true, startFrom: startFrom === 0 ? 'start' : startFrom, filter };
};

const defaults = (): SettingsRequest => ({
  resolveLinks: false,
  startFrom: 'start',
  extraStatistics: false,
  messageTimeoutMs: 0,
  maxRetryCount: 0,
  checkpointAfterMs: 0,
  minCheckpointCount: 0,
  maxCheckpointCount: 0,
  maxSubscriberCount: 0,
  liveBufferSize: 0,
  readBatchSize: 0,
  historyBufferSize: 0,
  strategy: '',
});

/** How each field of `Settings` is read. */
const FIELDS: Readonly<Record<number, (settings: SettingsRequest, message: ProtoReader) => void>> = {
  1: (settings, message) => {
    settings.resolveLinks = message.bool();
  },
  2: (settings, message) => {
    const revision = readNumber(message);
    settings.startFrom = revision === 0 ? 'start' : revision;
  },
  3: (settings, message) => {
    settings.extraStatistics = message.bool();
  },
  4: (settings, message) => {
    settings.messageTimeoutMs = Math.trunc(int64(message) / TICKS_PER_MS);
  },
  5: (settings, message) => {
    settings.maxRetryCount = int32(message);
  },
  6: (settings, message) => {
    settings.checkpointAfterMs = Math.trunc(int64(message) / TICKS_PER_MS);
  },
  7: (settings, message) => {
    settings.minCheckpointCount = int32(message);
  },
  8: (settings, message) => {
    settings.maxCheckpointCount = int32(message);
  },
  9: (settings, message) => {
    settings.maxSubscriberCount = int32(message);
  },
  10: (settings, message) => {
    settings.liveBufferSize = int32(message);
  },
  11: (settings, message) => {
    settings.readBatchSize = int32(message);
  },
  12: (settings, message) => {
    settings.historyBufferSize = int32(message);
  },
  14: (settings, message) => {
    settings.messageTimeoutMs = int32(message);
  },
  15: (settings, message) => {
    settings.checkpointAfterMs = int32(message);
  },
};

/** Field 13 names the strategy by number, field 16, of newer clients, by name; the name wins. */
const readSettings = (message: ProtoReader): SettingsRequest => {
  const settings = defaults();
  let number = 0;
  let name = '';
  while (message.next()) {
    if (message.field === 13) number = message.uint();
    else if (message.field === 16) name = message.text();
    else FIELDS[message.field]?.(settings, message);
  }
  return { ...settings, strategy: name || (STRATEGY_NAMES[number] ?? String(number)) };
};

export const int32 = (message: ProtoReader): number => Number(BigInt.asIntN(32, message.uint64()));

export const int64 = (message: ProtoReader): number => Number(BigInt.asIntN(64, message.uint64()));
