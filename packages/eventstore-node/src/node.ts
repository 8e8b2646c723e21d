import { isIPv6 } from 'node:net';
import { openAccess } from './access/access.ts';
import { SecureAccess } from './access/secure-access.ts';
import { UserDirectory } from './access/user-directory.ts';
import { userEvents } from './access/user-events.ts';
import { checkUsers, defaultUsers, type UserSettings } from './access/user-settings.ts';
import type { Call } from './grpc/call.ts';
import type { KeepAlive } from './grpc/keep-alive.ts';
import { type ConnectionCounts, GrpcServer, type Methods } from './grpc/server.ts';
import { loadTls, type TlsFiles, type TlsIdentity } from './grpc/tls.ts';
import { EventIndex } from './index/event-index.ts';
import { NodeWrites } from './persistent/node-writes.ts';
import { PersistentSubscriptions } from './persistent/subscriptions.ts';
import { consumerTooSlow, type SlowSubscribers } from './reads/slow-subscribers.ts';
import { handleAppend } from './services/append.ts';
import { handleBatchAppend } from './services/batch-append.ts';
import type { NodeContext } from './services/context.ts';
import { handleDelete } from './services/delete.ts';
import { multiAppendMethods } from './services/multi-append.ts';
import { handleGossip, handleServerFeatures } from './services/node-info.ts';
import { persistentMethods } from './services/persistent-subscriptions.ts';
import { handleRead } from './services/read.ts';
import { MemoryLog } from './storage/memory-log.ts';
import { Committer } from './store/committer.ts';
import { type DataFolder, openDataFolder } from './store/data-folder.ts';
import { EventStore } from './store/event-store.ts';
import { appendNodeEvents, type NodeEvent } from './store/node-events.ts';
import { SnapshotSchedule } from './store/snapshot-schedule.ts';

export type NodeOptions = {
  /** Folder for the events; created if it does not exist. Without one they are in memory only, and lost when the node stops. */
  readonly dataDir?: string;
  /** Keep events in memory, even if `dataDir` is set. */
  readonly inMemory?: boolean;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** Serves over TLS, asks for credentials and checks what their owner may do. Without it everybody may do everything. */
  readonly tls?: TlsFiles;
  /** All who may log in, with `tls`. Default: `admin` and `ops`, both with the password `changeit`. */
  readonly users?: readonly UserSettings[];
  /** When a connection that shows no sign of life is dropped. Default: after 10 s of silence and 10 s without a ping's answer. */
  readonly keepAlive?: KeepAlive;
  /** When a live subscriber is too slow, and what happens then. Default: never; it may be as far behind as it likes. */
  readonly slowSubscribers?: SlowSubscribers;
  /** Serves appends to several streams (`kurrentdb.protocol.v2.streams`), for Kurrent's client. Default: false. */
  readonly v2?: boolean;
};

export type RunningNode = {
  readonly port: number;
  /** Without credentials. Names the certificate for clients to trust if it is a file that signs itself. */
  readonly connectionString: string;
  readonly connections: ConnectionCounts;
  /** How many wait for new events: subscriptions of clients, and what the node itself keeps up to date. */
  readonly waiting: number;
  /** Ends every catch-up subscription as EventStoreDB 23.10 does when the client is too slow; for tests of a client. */
  dropSubscribers(): void;
  /** Commits what has arrived, ends open calls with UNAVAILABLE, and closes the data folder. */
  stop(): Promise<void>;
};

const DEFAULT_HOST = '127.0.0.1';
/** Connections get this long to close by themselves when the node stops. */
const CLOSE_GRACE_MS = 500;

/**
 * Runs an EventStoreDB-compatible node in this process; without options in memory, on a free port.
 * Errors: `FolderInUse` if another node has the folder, `DamagedLog` if stored events are not intact, the error of
 * `listen` if the port is taken; for `tls` and `users` an error that names what is wrong with them.
 */
export const startEventStoreNode = async (options: NodeOptions = {}): Promise<RunningNode> => {
  const { host = DEFAULT_HOST, port = 0 } = options;
  const security = securityOf(options);
  const folder = await openFolder(options);
  const snapshots = new SnapshotSchedule(folder);
  const store = new EventStore(folder.log, folder.index);
  const committer = new Committer(store, Date.now, () => snapshots.afterCommit());
  const address = { host: reachable(host), port };
  const { instanceId } = folder;
  const access = security ? new SecureAccess(new UserDirectory(security.users), store) : openAccess;
  const persistent = new PersistentSubscriptions({ store, writes: new NodeWrites(committer), now: Date.now });
  const subscriptions = new Set<Call>();
  const shared = { access, store, committer, persistent, subscriptions, now: Date.now, instanceId };
  const { slowSubscribers, v2 = false } = options;
  const context = { ...shared, slowSubscribers, v2, endpoint: () => address };
  const server = new GrpcServer(methodsOf(context), access, { tls: security?.tls, keepAlive: options.keepAlive });
  const closeStore = async () => {
    await committer.stop();
    await snapshots.finish();
    await folder.close();
  };
  try {
    await appendNodeEvents(committer, await firstEvents(store, instanceId, security));
    persistent.start();
    address.port = await server.listen(host, port);
  } catch (error) {
    await persistent.stop();
    await closeStore();
    throw error;
  }
  const stop = async () => {
    await persistent.stop();
    await committer.stop();
    await server.close(CLOSE_GRACE_MS);
    await closeStore();
  };
  let stopping: Promise<void> | undefined;
  return {
    port: address.port,
    connectionString: connectionString(address, security?.tls),
    get connections() {
      return server.connections;
    },
    get waiting() {
      return store.wakeups.count;
    },
    dropSubscribers: () => {
      for (const call of [...subscriptions]) call.fail(consumerTooSlow());
    },
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
};

type Security = {
  readonly tls: TlsIdentity;
  readonly users: readonly UserSettings[];
};

const securityOf = ({ tls, users }: NodeOptions): Security | undefined => {
  if (tls) return { tls: loadTls(tls), users: checkUsers(users ?? defaultUsers()) };
  if (users) throw new Error('users need tls: without it the node asks nobody for credentials');
  return undefined;
};

const connectionString = ({ host, port }: { host: string; port: number }, tls: TlsIdentity | undefined): string => {
  const address = `esdb://${urlHost(host)}:${port}`;
  if (!tls) return `${address}?tls=false`;
  return tls.caFile === undefined ? address : `${address}?tlsCAFile=${encodeURIComponent(tls.caFile)}`;
};

const methodsOf = (context: NodeContext): Methods => {
  const streams = '/event_store.client.streams.Streams';
  return new Map([
    [`${streams}/Append`, (call: Call) => handleAppend(context, call)],
    [`${streams}/BatchAppend`, (call: Call) => handleBatchAppend(context, call)],
    [`${streams}/Read`, (call: Call) => handleRead(context, call)],
    [`${streams}/Delete`, (call: Call) => handleDelete(context, 'delete', call)],
    [`${streams}/Tombstone`, (call: Call) => handleDelete(context, 'tombstone', call)],
    [
      '/event_store.client.server_features.ServerFeatures/GetSupportedMethods',
      (call: Call) => handleServerFeatures(context, call),
    ],
    ['/event_store.client.gossip.Gossip/Read', (call: Call) => handleGossip(context, call)],
    ...persistentMethods(context),
    ...(context.v2 ? multiAppendMethods(context) : []),
  ]);
};

const openFolder = async ({ dataDir, inMemory }: NodeOptions): Promise<DataFolder> => {
  if (dataDir !== undefined && !inMemory) return openDataFolder(dataDir);
  return {
    log: new MemoryLog(),
    index: new EventIndex(),
    instanceId: crypto.randomUUID(),
    savedEvents: 0,
    saveIndex: async () => {},
    close: async () => {},
  };
};

/** A real server has written system events before the first client comes; some tests count on that. */
const firstEvents = async (
  store: EventStore,
  instanceId: string,
  security: Security | undefined,
): Promise<readonly NodeEvent[]> => {
  if (security) return userEvents(store, security.users);
  if (store.index.count > 0) return [];
  const data = Buffer.from(JSON.stringify({ instanceId }), 'utf8');
  return [{ streamName: '$baton-node', type: '$NodeCreated', json: true, data }];
};

/** What clients on this machine can dial. The client's connection strings take no IPv6 addresses. */
const reachable = (host: string): string => {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host === '::1' ? 'localhost' : host;
};

const urlHost = (host: string): string => (isIPv6(host) ? `[${host}]` : host);
