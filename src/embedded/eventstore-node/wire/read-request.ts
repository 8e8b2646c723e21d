import { GrpcError, Status } from '../grpc/status.ts';
import { ProtoReader } from '../protobuf/reader.ts';
import { MAX_I64 } from '../storage/record.ts';
import { readStreamRef, type StreamRef } from './append-request.ts';

const MAX_U64 = 18446744073709551615n;

/** Where a read starts. Numbers beyond what a log can reach are rounded, which changes no comparison. */
export type Start = 'start' | 'end' | number;

export interface FilterRequest {
  readonly on: 'streamName' | 'eventType';
  readonly regex: string;
  readonly prefixes: readonly string[];
  /** Events to consider between two checkpoints. */
  readonly checkpointInterval: number;
}

/** A `ReadReq` in one of the combinations that mean something. */
export interface ReadRequest {
  readonly kind: 'readStream' | 'readAll' | 'subscribeToStream' | 'subscribeToAll';
  readonly stream: StreamRef | undefined;
  readonly from: Start;
  readonly backwards: boolean;
  /** Most events to deliver; Infinity for subscriptions. */
  readonly count: number;
  readonly resolveLinks: boolean;
  readonly filter: FilterRequest | undefined;
  readonly structuredIds: boolean;
}

const DEFAULT_WINDOW = 32;

/** Throws `GrpcError` for combinations the real server refuses as well. */
export function readReadRequest(message: Buffer): ReadRequest {
  const request = new ProtoReader(message);
  while (request.next()) if (request.field === 1) return checked(readOptions(request.message()));
  throw invalid('the options are missing');
}

interface Options {
  stream: StreamRef | undefined;
  from: Start | undefined;
  backwards: boolean;
  resolveLinks: boolean;
  count: number | undefined;
  subscription: boolean;
  filter: FilterRequest | undefined;
  structuredIds: boolean;
}

function readOptions(message: ProtoReader): Options {
  const options: Options = {
    stream: undefined,
    from: undefined,
    backwards: false,
    resolveLinks: false,
    count: undefined,
    subscription: false,
    filter: undefined,
    structuredIds: true,
  };
  while (message.next()) readOption(message, options);
  return options;
}

function readOption(message: ProtoReader, options: Options): void {
  switch (message.field) {
    case 1:
      Object.assign(options, readStreamOptions(message.message()));
      break;
    case 2:
      options.from = readAllOptions(message.message());
      break;
    case 3:
      options.backwards = message.uint() === 1;
      break;
    case 4:
      options.resolveLinks = message.bool();
      break;
    case 5:
      options.count = message.uint();
      break;
    case 6:
      options.subscription = true;
      break;
    case 7:
      options.filter = readFilter(message.message());
      break;
    case 9:
      options.structuredIds = !hasTextOption(message.message());
      break;
  }
}

function checked(options: Options): ReadRequest {
  const { stream, from, backwards, count, subscription, filter, resolveLinks, structuredIds } = options;
  if (from === undefined) throw invalid('the stream or $all option is missing');
  if (stream && filter) throw invalid('a stream cannot be read with a filter');
  if (subscription && backwards) throw invalid('a subscription cannot go backwards');
  if (!subscription && !count) throw invalid('the count must be larger than 0');
  const kind = subscription ? (stream ? 'subscribeToStream' : 'subscribeToAll') : stream ? 'readStream' : 'readAll';
  const limit = subscription ? Number.POSITIVE_INFINITY : (count ?? 0);
  return { kind, stream, from, backwards, count: limit, resolveLinks, filter, structuredIds };
}

function readStreamOptions(message: ProtoReader): { stream: StreamRef; from: Start } {
  let stream: StreamRef | undefined;
  let from: Start = 'start';
  while (message.next()) {
    if (message.field === 1) stream = readStreamRef(message.message());
    else if (message.field === 2) from = readNumber(message);
    else if (message.field === 3) from = 'start';
    else if (message.field === 4) from = 'end';
  }
  if (!stream || stream.name === '') throw invalid('the stream name is empty');
  return { stream, from };
}

function readAllOptions(message: ProtoReader): Start {
  let from: Start = 'start';
  while (message.next()) {
    if (message.field === 1) from = readPosition(message.message());
    else if (message.field === 2) from = 'start';
    else if (message.field === 3) from = 'end';
  }
  return from;
}

function readPosition(message: ProtoReader): Start {
  let commit: Start = 0;
  let prepare: Start = 0;
  while (message.next()) {
    if (message.field === 1) commit = readNumber(message);
    else if (message.field === 2) prepare = readNumber(message);
  }
  if (commit !== 'end' && prepare !== 'end' && commit < prepare) {
    throw new GrpcError(Status.unknown, 'Exception was thrown by handler.');
  }
  return commit;
}

/** A revision or position; the largest u64 stands for the end. */
function readNumber(message: ProtoReader): Start {
  const value = message.uint64();
  if (value === MAX_U64) return 'end';
  if (value > MAX_I64) throw new GrpcError(Status.unknown, 'Exception was thrown by handler.');
  return Number(value);
}

function readFilter(message: ProtoReader): FilterRequest {
  let on: FilterRequest['on'] | undefined;
  let expression = { regex: '', prefixes: [] as string[] };
  let window: number | undefined;
  let multiplier = 0;
  while (message.next()) {
    if (message.field === 1 || message.field === 2) {
      on = message.field === 1 ? 'streamName' : 'eventType';
      expression = readExpression(message.message());
    } else if (message.field === 3) window = message.uint();
    else if (message.field === 4) window = DEFAULT_WINDOW;
    else if (message.field === 5) multiplier = message.uint();
  }
  if (!on) throw invalid('the filter has no expression');
  if (!window) throw invalid('the filter has no window');
  if (multiplier === 0) throw invalid('the checkpoint interval multiplier must be larger than 0');
  return { on, ...expression, checkpointInterval: window * multiplier };
}

function readExpression(message: ProtoReader): { regex: string; prefixes: string[] } {
  let regex = '';
  const prefixes: string[] = [];
  while (message.next()) {
    if (message.field === 1) regex = message.text();
    else if (message.field === 2) prefixes.push(message.text());
  }
  return { regex, prefixes };
}

function hasTextOption(message: ProtoReader): boolean {
  while (message.next()) if (message.field === 2) return true;
  return false;
}

function invalid(message: string): GrpcError {
  return new GrpcError(Status.invalidArgument, message);
}
