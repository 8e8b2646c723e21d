import type { Call } from '../grpc/call.ts';
import { GrpcError, Status } from '../grpc/status.ts';
import type { ActiveGroup } from '../persistent/active-group.ts';
import type { GroupConnection } from '../persistent/connection.ts';
import { type ReadMessage, readReadMessage } from '../wire/persistent-request.ts';
import type { NodeContext } from './context.ts';

/** `PersistentSubscriptions.Read`: the client connects to a group, is sent messages, and answers each of them. */
export function handleGroupRead({ access, persistent }: NodeContext, call: Call): void {
  let connected: { group: ActiveGroup; connection: GroupConnection } | undefined;
  call.onMessage = (bytes) => {
    const message = readReadMessage(bytes);
    if (connected) {
      answer(connected.group, connected.connection, message);
      return;
    }
    if (message.kind !== 'connect') throw new GrpcError(Status.invalidArgument, 'the first message must hold options');
    const { request } = message;
    access.checkStream(call.caller, 'read', request.key.stream);
    const group = persistent.find(request.key);
    const mayRead = (streamName: string) => access.allows(call.caller, 'read', streamName);
    connected = { group, connection: group.connect(call, request, mayRead) };
  };
  call.onDrain = () => connected?.group.resume(connected.connection);
  call.onHalfClose = () => call.end(); // no answer can come any more
  call.onClose = () => connected?.group.disconnect(connected.connection);
}

function answer(group: ActiveGroup, connection: GroupConnection, message: ReadMessage): void {
  switch (message.kind) {
    case 'ack':
      group.ack(message.ids);
      break;
    case 'nack':
      group.nack(connection, message.ids, message.action, message.reason);
      break;
    case 'connect':
      throw new GrpcError(Status.invalidArgument, 'the client is connected to a group already');
  }
}
