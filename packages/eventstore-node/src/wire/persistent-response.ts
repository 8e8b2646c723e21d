import { framed } from '../grpc/deframer.ts';
import type { ConnectionInfo, GroupInfo } from '../persistent/info.ts';
import { ProtoWriter } from '../protobuf/writer.ts';

export const groupConfirmation = (subscriptionId: string): Buffer =>
  framed(new ProtoWriter().message(2, new ProtoWriter().text(1, subscriptionId)).finish());

/** A `ReadResp` with an event. `event` and `link` are stored `RecordedEvent`s, which this service has the same of. */
export const groupEvent = (parts: { event?: Buffer; link?: Buffer; position: number; retryCount: number }): Buffer => {
  const message = new ProtoWriter();
  if (parts.event) message.bytes(1, parts.event);
  if (parts.link) message.bytes(2, parts.link);
  message.uint(3, parts.position).uint(5, parts.retryCount);
  return framed(new ProtoWriter().message(1, message).finish());
};

export const infoResponse = (info: GroupInfo): Buffer => new ProtoWriter().message(1, groupInfo(info)).finish();

export const listResponse = (infos: readonly GroupInfo[]): Buffer => {
  const response = new ProtoWriter();
  for (const info of infos) response.message(1, groupInfo(info));
  return response.finish();
};

const groupInfo = (info: GroupInfo): ProtoWriter => {
  const { settings } = info;
  const message = new ProtoWriter().text(1, info.stream).text(2, info.group).text(3, info.status);
  for (const connection of info.connections) message.message(4, connectionInfo(connection));
  return message
    .uint(5, info.throughput.averagePerSecond)
    .uint(6, info.throughput.total)
    .uint(7, info.throughput.sinceLast)
    .text(8, info.lastCheckpoint)
    .text(9, info.lastKnown)
    .bool(10, settings.resolveLinks)
    .text(11, info.startFrom)
    .uint64(12, BigInt(settings.messageTimeoutMs))
    .bool(13, settings.extraStatistics)
    .uint64(14, BigInt(settings.maxRetryCount))
    .uint64(15, BigInt(settings.liveBufferSize))
    .uint64(16, BigInt(settings.historyBufferSize))
    .uint64(17, BigInt(settings.readBatchSize))
    .uint64(18, BigInt(settings.checkpointAfterMs))
    .uint64(19, BigInt(settings.minCheckpointCount))
    .uint64(20, BigInt(settings.maxCheckpointCount))
    .uint(21, info.readBuffer)
    .uint(22, info.liveBuffer)
    .uint(23, info.retryBuffer)
    .uint(24, info.inFlight)
    .uint(25, info.inFlight)
    .text(26, settings.strategy)
    .uint64(27, BigInt(settings.maxSubscriberCount))
    .uint(28, info.parked);
};

const connectionInfo = (connection: ConnectionInfo): ProtoWriter => {
  const { throughput } = connection;
  const message = new ProtoWriter()
    .text(1, connection.from)
    .text(2, connection.username)
    .uint(3, throughput.averagePerSecond)
    .uint(4, throughput.total)
    .uint(5, throughput.sinceLast);
  for (const [key, value] of connection.measurements) {
    message.message(6, new ProtoWriter().text(1, key).uint(2, value));
  }
  return message.uint(7, connection.availableSlots).uint(8, connection.inFlight).text(9, connection.name);
};
