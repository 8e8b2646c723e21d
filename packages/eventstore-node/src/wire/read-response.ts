import { framed } from '../grpc/deframer.ts';
import { ProtoWriter } from '../protobuf/writer.ts';
import { ID_FIELD_SIZE } from '../storage/record.ts';
import { streamIdentifier } from './append-response.ts';
import { structuredUuid } from './uuid.ts';

export const confirmation = (subscriptionId: string): Buffer =>
  framed(new ProtoWriter().message(2, new ProtoWriter().text(1, subscriptionId)).finish());

export const checkpoint = (position: number): Buffer =>
  framed(new ProtoWriter().message(3, new ProtoWriter().uint(1, position).uint(2, position)).finish());

export const streamNotFound = (streamName: Buffer): Buffer =>
  framed(new ProtoWriter().message(4, new ProtoWriter().message(1, streamIdentifier(streamName))).finish());

export const CAUGHT_UP = framed(new ProtoWriter().empty(8).finish());

/** A `ReadEvent` put together from stored `RecordedEvent`s; `position` is that of the link if there is one. */
export const readEvent = (parts: { event?: Buffer; link?: Buffer; position: number }): Buffer => {
  const message = new ProtoWriter().uint(3, parts.position);
  if (parts.event) message.bytes(1, parts.event);
  if (parts.link) message.bytes(2, parts.link);
  return framed(new ProtoWriter().message(1, message).finish());
};

/** The stored `RecordedEvent` with its id in two 64-bit halves, as some clients ask for. */
export const withStructuredId = (recordedEvent: Buffer, id: string): Buffer => {
  const head = new ProtoWriter().message(1, structuredUuid(id)).finish();
  return Buffer.concat([head, recordedEvent.subarray(ID_FIELD_SIZE)]);
};
