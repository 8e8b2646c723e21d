import type { EventStoreDBClient } from '@eventstore/db-client';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type {
  CallOptions,
  ClientDuplexStream,
  ClientReadableStream,
  Client as GrpcClient,
  Metadata,
} from '@grpc/grpc-js';
import type { ReadRequest } from './esdb-requests.ts';
import { type Answer, decodeAnswer, decodeRead, type ReadMessage } from './esdb-wire.ts';

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

/** A read or subscription. */
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
