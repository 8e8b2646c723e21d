import type { Call } from '../grpc/call.ts';
import { ProtoWriter } from '../protobuf/writer.ts';
import { textUuid } from '../wire/uuid.ts';
import type { NodeContext } from './context.ts';
import { MULTI_APPEND_METHODS, MULTI_APPEND_SERVICE } from './multi-append.ts';
import { PERSISTENT_METHODS, PERSISTENT_SERVICE } from './persistent-subscriptions.ts';

/** The version whose behaviour this node shows. */
const SERVER_VERSION = '24.6.0';

/** What is served, with the features the client asks for by name. */
const FEATURES: readonly (readonly [service: string, method: string, features: readonly string[]])[] = [
  ['event_store.client.streams.streams', 'append', []],
  ['event_store.client.streams.streams', 'batchappend', ['deadline_duration']],
  ['event_store.client.streams.streams', 'read', ['position', 'events']],
  ['event_store.client.streams.streams', 'delete', []],
  ['event_store.client.streams.streams', 'tombstone', []],
  ...PERSISTENT_METHODS.map((method) => [PERSISTENT_SERVICE, method.toLowerCase(), ['stream', 'all']] as const),
  ['event_store.client.gossip.gossip', 'read', []],
  ['event_store.client.server_features.serverfeatures', 'getsupportedmethods', []],
];

/** What is served with `v2` besides. */
const V2_FEATURES: typeof FEATURES = MULTI_APPEND_METHODS.map(
  (method) => [MULTI_APPEND_SERVICE, method.toLowerCase(), []] as const,
);

const LEADER = 8;

export const handleServerFeatures = ({ v2 }: NodeContext, call: Call): void => {
  respond(call, () => {
    const response = new ProtoWriter();
    for (const [service, method, features] of v2 ? [...FEATURES, ...V2_FEATURES] : FEATURES) {
      const supported = new ProtoWriter().text(1, method).text(2, service.toLowerCase());
      for (const feature of features) supported.text(3, feature);
      response.message(1, supported);
    }
    return response.text(2, SERVER_VERSION).finish();
  });
};

/** One member: this node, leader, at its own address. */
export const handleGossip = ({ endpoint, instanceId, now }: NodeContext, call: Call): void => {
  respond(call, () => {
    const { host, port } = endpoint();
    const member = new ProtoWriter()
      .message(1, textUuid(instanceId))
      .uint(2, now() * 10_000)
      .uint(3, LEADER)
      .bool(4, true)
      .message(5, new ProtoWriter().text(1, host).uint(2, port));
    return new ProtoWriter().message(1, member).finish();
  });
};

const respond = (call: Call, message: () => Buffer): void => {
  call.onHalfClose = () => {
    call.writeMessage(message());
    call.end();
  };
};
