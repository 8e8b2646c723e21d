import sharedPb from '@eventstore/db-client/generated/shared_pb.js';
import streamsPb from '@eventstore/db-client/generated/streams_pb.js';
import type { Position, Revision } from './event-store.ts';

const { ReadReq } = streamsPb;
const { Options } = ReadReq;
const { FilterOptions } = Options;

export type ReadRequest = InstanceType<typeof ReadReq>;

type Direction = 'forwards' | 'backwards';

/** All event types but the server's own. */
const NOT_SYSTEM = '^[^$].*';
/** In units of 32 considered events: how often the server sends its position when there is no event to send. */
const CHECKPOINT_INTERVAL = 8;

const empty = () => new sharedPb.Empty();

const requestOf = (options: InstanceType<typeof Options>): ReadRequest => {
  const uuid = new Options.UUIDOption();
  uuid.setString(empty());
  options.setUuidOption(uuid);
  const request = new ReadReq();
  request.setOptions(options);
  return request;
};

const allFrom = (from: Position | 'start' | 'end') => {
  const all = new Options.AllOptions();
  if (from === 'start') all.setStart(empty());
  else if (from === 'end') all.setEnd(empty());
  else {
    const position = new Options.Position();
    position.setCommitPosition(from.toString());
    position.setPreparePosition(from.toString());
    all.setPosition(position);
  }
  return all;
};

const bounded = (options: InstanceType<typeof Options>, direction: Direction, count: number) => {
  options.setReadDirection(direction === 'forwards' ? 0 : 1);
  options.setCount(count.toString());
  options.setNoFilter(empty());
  return requestOf(options);
};

/** From a revision, inclusive in both directions; without one from the first or the last event. */
export const readStreamRequest = (stream: string, from: Revision | undefined, direction: Direction, count: number) => {
  const identifier = new sharedPb.StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream));
  const streamOptions = new Options.StreamOptions();
  streamOptions.setStreamIdentifier(identifier);
  if (from !== undefined) streamOptions.setRevision(from.toString());
  else if (direction === 'forwards') streamOptions.setStart(empty());
  else streamOptions.setEnd(empty());
  const options = new Options();
  options.setStream(streamOptions);
  return bounded(options, direction, count);
};

/** Forwards from a position, inclusive; backwards from before it. Without one from the beginning or the end. */
export const readAllRequest = (from: Position | undefined, direction: Direction, count: number) => {
  const options = new Options();
  options.setAll(allFrom(from ?? (direction === 'forwards' ? 'start' : 'end')));
  return bounded(options, direction, count);
};

/** After a position, exclusive; system events are left out, and checkpoints sent. */
export const subscribeRequest = (after: Position | 'start' | 'end') => {
  const expression = new FilterOptions.Expression();
  expression.setRegex(NOT_SYSTEM);
  const filter = new FilterOptions();
  filter.setEventType(expression);
  filter.setCount(empty());
  filter.setCheckpointintervalmultiplier(CHECKPOINT_INTERVAL);
  const options = new Options();
  options.setAll(allFrom(after));
  options.setSubscription(new Options.SubscriptionOptions());
  options.setFilter(filter);
  return requestOf(options);
};
