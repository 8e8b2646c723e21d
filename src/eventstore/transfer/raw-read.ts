import { convertToCommandError, type EventStoreDBClient } from '@eventstore/db-client';
import streamsPb from '@eventstore/db-client/generated/streams_pb.js';
import { openReadAs } from '../esdb-connection.ts';
import { readAllRequest, readStreamRequest } from '../esdb-requests.ts';
import type { RawEvent } from '../esdb-wire.ts';
import type { Position, Revision } from '../event-store.ts';

/** An event with its stored bytes. The client's own reader parses them and loses what JSON in JavaScript cannot represent. */
export type RecordedEvent = RawEvent & {
  readonly stream: string;
  readonly revision: Revision;
  readonly position: Position;
  /** ISO 8601 UTC. */
  readonly created: string;
};

type ReadRequest = ReturnType<typeof readAllRequest>;
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** Events of all streams in log order, from a position, inclusive. */
export const readAllRaw = (client: EventStoreDBClient, from: Position | undefined): AsyncGenerator<RecordedEvent> =>
  read(client, readAllRequest(from, 'forwards', NO_LIMIT));

/** Position of the newest event of the log; undefined if there is none. */
export const headOf = async (client: EventStoreDBClient): Promise<Position | undefined> => {
  for await (const { position } of read(client, readAllRequest(undefined, 'backwards', 1))) return position;
  return undefined;
};

/** The newest event of a stream; undefined if no event can be read. */
export const newestOf = async (client: EventStoreDBClient, stream: string): Promise<RecordedEvent | undefined> => {
  for await (const event of read(client, readStreamRequest(stream, undefined, 'backwards', 1))) return event;
  return undefined;
};

/** Up to `count` events of a stream from a revision; none if it cannot be read. */
export const readStreamRaw = (
  client: EventStoreDBClient,
  stream: string,
  from: Revision,
  count: number,
): AsyncGenerator<RecordedEvent> => read(client, readStreamRequest(stream, from, 'forwards', count));

async function* read(client: EventStoreDBClient, request: ReadRequest): AsyncGenerator<RecordedEvent> {
  const call = await openReadAs(client, request, decode);
  try {
    for await (const event of call) if (event !== NOT_AN_EVENT) yield event as RecordedEvent;
  } catch (error) {
    throw convertToCommandError(error as Error);
  } finally {
    call.on('error', () => {}); // a cancelled call emits an error
    call.cancel();
  }
}

/** `stream_not_found` and other messages of the server about the read itself. */
const NOT_AN_EVENT = 'not an event';

const decode = (bytes: Buffer): RecordedEvent | typeof NOT_AN_EVENT => {
  const recorded = streamsPb.ReadResp.deserializeBinary(bytes).getEvent()?.getEvent();
  if (recorded === undefined) return NOT_AN_EVENT;
  const properties = recorded.getMetadataMap();
  return {
    stream: Buffer.from(recorded.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString('utf8'),
    revision: BigInt(recorded.getStreamRevision()),
    position: BigInt(recorded.getCommitPosition()),
    id: recorded.getId()?.getString() ?? '',
    type: properties.get('type') ?? '',
    isJson: properties.get('content-type') === 'application/json',
    created: new Date(Number((properties.get('created') ?? '0').slice(0, -4))).toISOString(),
    data: recorded.getData_asU8(),
    metadata: recorded.getCustomMetadata_asU8(),
  };
};
