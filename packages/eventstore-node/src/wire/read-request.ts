import { GrpcError, Status } from '../grpc/status.ts';
import { MAX_U64, ProtoReader } from '../protobuf/reader.ts';
import { MAX_I64 } from '../storage/record.ts';
import { readStreamRef, type StreamRef } from './append-request.ts';

/** Where a read starts. Numbers beyond what a log can reach are rounded, which changes no comparison. */
export type Start = 'start' | 'end' | number;

export type FilterRequest = {
  readonly on: 'streamName' | 'eventType';
  readonly regex: string;
  readonly prefixes: readonly string[];
  /** Events to consider between two checkpoints; 0 if the request leaves it open, which only reads may. */
  readonly checkpointInterval: number;
};

/** A `ReadReq` in one of the combinations that mean something. */
export type ReadRequest = {
  readonly kind: 'readStream' | 'readAll' | 'subscribeToStream' | 'subscribeToAll';
  readonly stream: StreamRef | undefined;
  readonly from: Start;
  readonly backwards: boolean;
  /** Most events to deliver; Infinity for subscriptions. */
  readonly count: number;
  readonly resolveLinks: boolean;
  readonly filter: FilterRequest | undefined;
  readonly structuredIds: boolean;
};

const DEFAULT_WINDOW = 32;

/** Throws `GrpcError` for combinations the real server refuses as well. */
export const readReadRequest = (message: Buffer): ReadRequest => {
  const request = new ProtoReader(message);
  while (request.next()) if (request.field === 1) return checked(readOptions(request.message()));
  throw invalid('the options are missing');
};

/** Of each oneof, the member that came last. */
type Options = {
  target: { stream: StreamRef | undefined; from: Start } | undefined;
  /** 0 forwards, 1 backwards. */
  direction: number;
  resolveLinks: boolean;
  count: number | 'subscription' | undefined;
  filter: FilterRequest | 'none' | undefined;
  structuredIds: boolean;
};

const readOptions = (message: ProtoReader): Options => {
  const options: Options = {
    target: undefined,
    direction: 0,
    resolveLinks: false,
    count: undefined,
    filter: undefined,
    structuredIds: true,
  };
  while (message.next()) readOption(message, options);
  return options;
};

const readOption = (message: ProtoReader, options: Options): void => {
  switch (message.field) {
    case 1:
      options.target = readStreamOptions(message.message());
      break;
    case 2:
      options.target = { stream: undefined, from: readAllOptions(message.message()) };
      break;
    case 3:
      options.direction = message.uint();
      break;
    case 4:
      options.resolveLinks = message.bool();
      break;
    case 5:
      options.count = message.uint();
      break;
    case 6:
      options.count = 'subscription';
      break;
    case 7:
      options.filter = readFilter(message.message());
      break;
    case 8:
      options.filter = 'none';
      break;
    case 9:
      options.structuredIds = !hasTextOption(message.message());
      break;
  }
};

const checked = ({ target, direction, count, filter, resolveLinks, structuredIds }: Options): ReadRequest => {
  if (!target) throw invalid('the stream or $all option is missing');
  const { stream, from } = target;
  if (direction > 1) throw invalid('the direction is neither forwards nor backwards');
  if (filter === undefined) throw invalid('the filter option is missing');
  if (stream && filter !== 'none') throw invalid('a stream cannot be read with a filter');
  if (!count) throw invalid('the count must be larger than 0');
  const backwards = direction === 1;
  const subscription = count === 'subscription';
  if (subscription && backwards) throw invalid('a subscription cannot go backwards');
  if (subscription && filter !== 'none' && filter.checkpointInterval === 0) {
    throw invalid('the checkpoint interval multiplier must be larger than 0');
  }
  if (stream && !subscription && !backwards && from === 'end') throw unknown();
  return {
    kind: subscription ? (stream ? 'subscribeToStream' : 'subscribeToAll') : stream ? 'readStream' : 'readAll',
    stream,
    from,
    backwards,
    count: subscription ? Number.POSITIVE_INFINITY : count,
    resolveLinks,
    filter: filter === 'none' ? undefined : filter,
    structuredIds,
  };
};

const readStreamOptions = (message: ProtoReader): { stream: StreamRef; from: Start } => {
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
};

const readAllOptions = (message: ProtoReader): Start => {
  let from: Start = 'start';
  while (message.next()) {
    if (message.field === 1) from = readPosition(message.message());
    else if (message.field === 2) from = 'start';
    else if (message.field === 3) from = 'end';
  }
  return from;
};

/** A `Position`; the largest commit position represents the end. */
export const readPosition = (message: ProtoReader): Start => {
  let commit = 0n;
  let prepare = 0n;
  while (message.next()) {
    if (message.field === 1) commit = message.uint64();
    else if (message.field === 2) prepare = message.uint64();
  }
  const from = startAt(commit);
  startAt(prepare);
  if (commit < prepare) throw unknown();
  return from;
};

/** A revision or position; the largest u64 represents the end. */
export const readNumber = (message: ProtoReader): Start => startAt(message.uint64());

const startAt = (value: bigint): Start => {
  if (value === MAX_U64) return 'end';
  if (value > MAX_I64) throw unknown();
  return Number(value);
};

export const readFilter = (message: ProtoReader): FilterRequest => {
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
  return { on, ...expression, checkpointInterval: window * multiplier };
};

const readExpression = (message: ProtoReader): { regex: string; prefixes: string[] } => {
  let regex = '';
  const prefixes: string[] = [];
  while (message.next()) {
    if (message.field === 1) regex = message.text();
    else if (message.field === 2) prefixes.push(message.text());
  }
  return { regex, prefixes };
};

/** `UUIDOption`. */
export const hasTextOption = (message: ProtoReader): boolean => {
  while (message.next()) if (message.field === 2) return true;
  return false;
};

/** What the real server answers where it runs into its own checks. */
const unknown = (): GrpcError => new GrpcError(Status.unknown, 'Exception was thrown by handler.');

const invalid = (message: string): GrpcError => new GrpcError(Status.invalidArgument, message);
