import { randomUUID } from 'node:crypto';
import type { Caller } from '../access/access.ts';
import { accessStreamsOf } from '../access/acl.ts';
import type { Call } from '../grpc/call.ts';
import { GrpcError, Status } from '../grpc/status.ts';
import { compileFilter } from '../reads/event-filter.ts';
import { guarded, type MessageSource } from '../reads/output.ts';
import { Pump } from '../reads/pump.ts';
import { ReadAll } from '../reads/read-all.ts';
import { ReadStream } from '../reads/read-stream.ts';
import { Renderer } from '../reads/renderer.ts';
import { SubscribeAll } from '../reads/subscribe-all.ts';
import { SubscribeStream } from '../reads/subscribe-stream.ts';
import { type ReadRequest, readReadRequest } from '../wire/read-request.ts';
import { secondMessage } from '../wire/write-errors.ts';
import type { NodeContext } from './context.ts';

const ALL = '$all';

/** `Streams.Read`: reads and catch-up subscriptions. */
export const handleRead = (context: NodeContext, call: Call): void => {
  let request: ReadRequest | undefined;
  call.onMessage = (message) => {
    if (request) throw secondMessage();
    request = readReadRequest(message);
    const { access, store } = context;
    const { caller } = call;
    const { stream } = request;
    const checkAccess = () => access.checkStream(caller, 'read', stream?.name ?? ALL);
    checkAccess();
    const source = sourceOf(context, caller, request);
    if (request.count !== Number.POSITIVE_INFINITY) {
      new Pump(call, source).wake();
      return;
    }
    const pump = new Pump(call, caller === 'system' ? source : guarded(source, checkAccess));
    const wakeups = [stream?.name, ...(caller === 'system' ? [] : accessStreamsOf(stream?.name ?? ALL))];
    const removals = wakeups.map((name) => store.wakeups.add(name, pump.wake));
    context.subscriptions.add(call);
    call.onClose = () => {
      context.subscriptions.delete(call);
      for (const remove of removals) remove();
    };
    pump.wake();
  };
  call.onHalfClose = () => {
    if (!request) throw new GrpcError(Status.internal, 'the call carried no request');
  };
};

const sourceOf = (context: NodeContext, caller: Caller, request: ReadRequest): MessageSource => {
  const { access, store, now, slowSubscribers: slow } = context;
  const renderer = new Renderer(store, request, now, (streamName) => access.allows(caller, 'read', streamName));
  const { stream, from } = request;
  const subscription = { subscriptionId: randomUUID(), from, slow };
  switch (request.kind) {
    case 'readAll':
      return new ReadAll(store, renderer, { ...request, filter: request.filter && compileFilter(request.filter) });
    case 'subscribeToAll':
      return new SubscribeAll(store, renderer, { ...subscription, filter: filterOf(request) });
    case 'readStream':
      return new ReadStream(store, renderer, { ...request, stream: required(stream) }, now());
    case 'subscribeToStream':
      return new SubscribeStream(store, renderer, { ...subscription, stream: required(stream) }, now);
  }
};

const filterOf = ({ filter }: ReadRequest) =>
  filter && { matches: compileFilter(filter), checkpointInterval: filter.checkpointInterval };

const required = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('a stream request without a stream');
  return value;
};
