import type { EventStoreDBClient } from '@eventstore/db-client';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import {
  type CallOptions,
  Channel,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type Client as GrpcClient,
  type Metadata,
} from '@grpc/grpc-js';
import { unavailable } from '../platform/errors.ts';
import { LiveCall } from './esdb-live-call.ts';
import { type ReadRequest, subscribeRequest } from './esdb-requests.ts';
import { type Answer, decodeAnswer, decodeRead, type ReadMessage } from './esdb-wire.ts';
import type { Position } from './event-store.ts';

/**
 * What the client offers to its own calls (`protected` there): a gRPC client on its current channel, which it discovers, authenticates, and
 * replaces when a call fails because the server is gone. Calls made here behave like the client's own.
 */
type ClientInternals = {
  GRPCStreamCreator<Stream>(
    service: typeof streamsGrpc.StreamsClient,
    name: string,
    open: (client: GrpcClient) => Stream,
  ): () => Promise<Stream>;
  callArguments(options: object, callOptions: CallOptions): [Metadata, CallOptions];
  createChannel(): Promise<Channel>;
};

/** What a channel was made of; `Channel` itself keeps it to itself. */
type ChannelInternals = {
  readonly internalChannel: { readonly credentials: ChannelCredentials; readonly options: ChannelOptions };
};

/**
 * What the server may send before this process has read it. With Node's 64 KiB, a turn of the event loop of some milliseconds stalls a
 * live subscription, and EventStoreDB 23.10 drops it 32 events later. It is memory that the peer may use, on one connection.
 */
const FLOW_CONTROL_WINDOW = 8 * 1024 * 1024;

/** Makes the client open its connections with large flow-control windows, for which it has no option. Returns the client. */
export const withLargeWindows = (client: EventStoreDBClient): EventStoreDBClient => {
  const internals = client as unknown as ClientInternals;
  const create = internals.createChannel;
  internals.createChannel = async () => {
    const channel = await create();
    const { credentials, options } = (channel as unknown as ChannelInternals).internalChannel;
    const target = channel.getTarget();
    channel.close(); // it has not connected yet
    return new Channel(target, credentials, { ...options, 'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW });
  };
  return client;
};

const BATCH_APPEND = '/event_store.client.streams.Streams/BatchAppend';
const READ = '/event_store.client.streams.Streams/Read';

const asIs = (message: Buffer): Buffer => message;
const encodeReadRequest = (request: ReadRequest): Buffer => Buffer.from(request.serializeBinary());

export type AppendCall = ClientDuplexStream<Buffer, Answer>;
export type ReadCall = ClientReadableStream<ReadMessage>;

const open = <Stream>(
  client: EventStoreDBClient,
  name: string,
  make: (grpc: GrpcClient, metadata: Metadata, options: CallOptions) => Stream,
) => {
  const internals = client as unknown as ClientInternals;
  const [metadata, options] = internals.callArguments({}, { deadline: Number.POSITIVE_INFINITY });
  return internals.GRPCStreamCreator(streamsGrpc.StreamsClient, name, (grpc) => make(grpc, metadata, options))();
};

/** The long-lived call that carries all appends. */
export const openAppendCall = (client: EventStoreDBClient): Promise<AppendCall> =>
  open(client, 'batchAppend', (grpc, metadata, options) =>
    grpc.makeBidiStreamRequest(BATCH_APPEND, asIs, decodeAnswer, metadata, options),
  );

/**
 * A subscription.
 *
 * Errors: throws `UNAVAILABLE`.
 */
export const openLiveCall = async (
  client: EventStoreDBClient,
  after: Position | 'start' | 'end',
): Promise<LiveCall> => {
  let bytes = 0;
  const decode = (message: Buffer): ReadMessage => {
    bytes += message.length;
    return decodeRead(message);
  };
  try {
    return new LiveCall(await openReadAs(client, subscribeRequest(after), decode), () => bytes);
  } catch (error) {
    throw unavailable('the event store cannot be reached', error);
  }
};

/** A read. */
export const openReadCall = (client: EventStoreDBClient, request: ReadRequest): Promise<ReadCall> =>
  openReadAs(client, request, decodeRead);

/** The same for a reader that needs the messages in another form. */
export const openReadAs = <Message>(
  client: EventStoreDBClient,
  request: ReadRequest,
  decode: (message: Buffer) => Message,
): Promise<ClientReadableStream<Message>> =>
  open(client, 'read', (grpc, metadata, options) =>
    grpc.makeServerStreamRequest(READ, encodeReadRequest, decode, request, metadata, options),
  );
