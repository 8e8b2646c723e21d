import type { Access } from '../access/access.ts';
import { type Call, toGrpcError } from '../grpc/call.ts';
import { GrpcError, Status } from '../grpc/status.ts';
import type { NewGroupConfig } from '../persistent/config-stream.ts';
import { userName } from '../persistent/connection.ts';
import { ALL } from '../persistent/settings.ts';
import { groupFailed } from '../wire/persistent-errors.ts';
import { readDeleteRequest, readInfoRequest, readListRequest, readReplayRequest } from '../wire/persistent-request.ts';
import { infoResponse, listResponse } from '../wire/persistent-response.ts';
import { readGroupRequest } from '../wire/persistent-settings.ts';
import type { NodeContext } from './context.ts';
import { checkGroupRequest } from './persistent-checks.ts';
import { handleGroupRead } from './persistent-read.ts';

export const PERSISTENT_SERVICE = 'event_store.client.persistent_subscriptions.PersistentSubscriptions';

const EMPTY = Buffer.alloc(0);

const handleCreate = (context: NodeContext, call: Call): void => {
  answerOnce(call, async (message) => {
    context.access.checkOperator(call.caller);
    await context.persistent.create(checkedConfig(context, message), userName(call));
    return EMPTY;
  });
};

const handleUpdate = (context: NodeContext, call: Call): void => {
  answerOnce(call, async (message) => {
    context.access.checkOperator(call.caller);
    await context.persistent.update(checkedConfig(context, message), userName(call));
    return EMPTY;
  });
};

const handleDelete = ({ access, persistent }: NodeContext, call: Call): void => {
  answerOnce(call, async (message) => {
    access.checkOperator(call.caller);
    await persistent.delete(readDeleteRequest(message), userName(call));
    return EMPTY;
  });
};

const handleInfo = ({ access, persistent }: NodeContext, call: Call): void => {
  answerOnce(call, async (message) => {
    const key = readInfoRequest(message);
    checkInspect(access, call, key.stream);
    return infoResponse(persistent.find(key).info());
  });
};

const handleList = ({ access, persistent }: NodeContext, call: Call): void => {
  answerOnce(call, async (message) => {
    const stream = readListRequest(message);
    checkInspect(access, call, stream ?? ALL);
    return listResponse(persistent.list(stream));
  });
};

const handleReplayParked = ({ access, persistent }: NodeContext, call: Call): void => {
  answerOnce(call, async (message) => {
    access.checkOperator(call.caller);
    const { key, stopAt } = readReplayRequest(message);
    const group = persistent.find(key);
    if (stopAt !== undefined && stopAt < 0) throw groupFailed(key, 'the revision to stop at must not be negative');
    group.replay(stopAt);
    return EMPTY;
  });
};

const handleRestart = ({ access, persistent }: NodeContext, call: Call): void => {
  answerOnce(call, async () => {
    access.checkOperator(call.caller);
    await persistent.restart();
    return EMPTY;
  });
};

/** Groups are shown to operators, and to those who may read what they are about. */
const checkInspect = (access: Access, { caller }: Call, stream: string): void => {
  if (!access.allows(caller, 'read', stream)) access.checkOperator(caller);
};

const checkedConfig = ({ store }: NodeContext, message: Buffer): NewGroupConfig =>
  checkGroupRequest(store, readGroupRequest(message));

/** Answers a call that carries one request. */
const answerOnce = (call: Call, answer: (message: Buffer) => Promise<Buffer>): void => {
  let request: Buffer | undefined;
  call.onMessage = (message) => {
    request = message;
  };
  call.onHalfClose = () => {
    if (!request) throw new GrpcError(Status.internal, 'the call carried no request');
    answer(request).then(
      (response) => {
        call.writeMessage(response);
        call.end();
      },
      (error) => call.fail(toGrpcError(error)),
    );
  };
};

const HANDLERS = {
  Create: handleCreate,
  Update: handleUpdate,
  Delete: handleDelete,
  Read: handleGroupRead,
  GetInfo: handleInfo,
  List: handleList,
  ReplayParked: handleReplayParked,
  RestartSubsystem: handleRestart,
};

/** Names of the service's methods. */
export const PERSISTENT_METHODS = Object.keys(HANDLERS);

export const persistentMethods = (context: NodeContext): (readonly [path: string, handle: (call: Call) => void])[] =>
  Object.entries(HANDLERS).map(
    ([method, handle]) => [`/${PERSISTENT_SERVICE}/${method}`, (call: Call) => handle(context, call)] as const,
  );
