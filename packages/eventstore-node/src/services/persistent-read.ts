import type { Call } from '../grpc/call.ts';
import { GrpcError, Status } from '../grpc/status.ts';
import type { ActiveGroup } from '../persistent/active-group.ts';
import type { GroupConnection } from '../persistent/connection.ts';
import { type ReadMessage, readReadMessage } from '../wire/persistent-request.ts';
import type { NodeContext } from './context.ts';

/** `PersistentSubscriptions.Read`: the client connects to a group, is sent messages, and answers each of them. */
export const handleGroupRead = (context: NodeContext, call: Call): void => {
  let connected: Connected | undefined;
  const disconnect = () => connected?.group.disconnect(connected.connection);
  call.onMessage = (bytes) => {
    try {
      const message = readReadMessage(bytes);
      if (connected) answer(connected, message);
      else connected = connect(context, call, message);
    } catch (error) {
      disconnect(); // the call is over for us; the client may take its time to close it
      throw error;
    }
  };
  call.onDrain = () => connected?.group.resume(connected.connection);
  call.onHalfClose = () => {
    disconnect(); // no answer can come any more
    call.end();
  };
  call.onClose = disconnect;
};

type Connected = {
  readonly group: ActiveGroup;
  readonly connection: GroupConnection;
};

const connect = ({ access, persistent }: NodeContext, call: Call, message: ReadMessage): Connected => {
  if (message.kind !== 'connect') throw new GrpcError(Status.invalidArgument, 'the first message must contain options');
  const { request } = message;
  access.checkStream(call.caller, 'read', request.key.stream);
  const group = persistent.find(request.key);
  const mayRead = (streamName: string) => access.allows(call.caller, 'read', streamName);
  return { group, connection: group.connect(call, request, mayRead) };
};

const answer = ({ group, connection }: Connected, message: ReadMessage): void => {
  switch (message.kind) {
    case 'ack':
      group.ack(message.ids);
      break;
    case 'nack':
      group.nack(connection, message.ids, message.action, message.reason);
      break;
    case 'connect':
      throw new GrpcError(Status.invalidArgument, 'the client is already connected to a group');
  }
};
