import { isIPv6 } from 'node:net';
import { openAccess } from './access/access.ts';
import type { UserSettings } from './access/user-settings.ts';
import type { Call } from './grpc/call.ts';
import type { KeepAlive } from './grpc/keep-alive.ts';
import { GrpcServer, type Methods } from './grpc/server.ts';
import type { TlsFiles } from './grpc/tls.ts';
import { EventIndex } from './index/event-index.ts';
import { handleAppend } from './services/append.ts';
import { handleBatchAppend } from './services/batch-append.ts';
import type { NodeContext } from './services/context.ts';
import { handleDelete } from './services/delete.ts';
import { handleGossip, handleServerFeatures } from './services/node-info.ts';
import { handleRead } from './services/read.ts';
import { MemoryLog } from './storage/memory-log.ts';
import { Committer } from './store/committer.ts';
import { type DataFolder, openDataFolder } from './store/data-folder.ts';
import { nodeEvent } from './store/decide-operation.ts';
import { EventStore } from './store/event-store.ts';
import type { Outcome } from './store/operations.ts';
import { SnapshotSchedule } from './store/snapshot-schedule.ts';

export interface NodeOptions {
  /** Folder for the events; created if it does not exist. */
  readonly dataDir?: string;
  /** Keep events in memory only; they are gone when the node stops. */
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
}

export interface RunningNode {
  readonly port: number;
  readonly connectionString: string;
  /** Commits what has arrived, ends open calls with UNAVAILABLE, and closes the data folder. */
  stop(): Promise<void>;
}

const DEFAULT_HOST = '127.0.0.1';
/** Connections get this long to close by themselves when the node stops. */
const CLOSE_GRACE_MS = 500;

/**
 * Runs an EventStoreDB-compatible node in this process.
 * Errors: `FolderInUse` if another node has the folder, `DamagedLog` if stored events are not intact, the error of
 * `listen` if the port is taken.
 */
export async function startEventStoreNode(options: NodeOptions): Promise<RunningNode> {
  const { host = DEFAULT_HOST, port = 0 } = options;
  const folder = await openFolder(options);
  const snapshots = new SnapshotSchedule(folder);
  const store = new EventStore(folder.log, folder.index);
  const committer = new Committer(store, Date.now, () => snapshots.afterCommit());
  const address = { host: reachable(host), port };
  const { instanceId } = folder;
  const context = { access: openAccess, store, committer, now: Date.now, instanceId, endpoint: () => address };
  const server = new GrpcServer(methodsOf(context), openAccess);
  const closeStore = async () => {
    await committer.stop();
    await snapshots.finish();
    await folder.close();
  };
  try {
    if (folder.index.count === 0) await writeFirstEvent(committer, instanceId);
    address.port = await server.listen(host, port);
  } catch (error) {
    await closeStore();
    throw error;
  }
  return running(address, async () => {
    await committer.stop();
    await server.close(CLOSE_GRACE_MS);
    await closeStore();
  });
}

function running({ host, port }: { host: string; port: number }, stop: () => Promise<void>): RunningNode {
  let stopping: Promise<void> | undefined;
  return {
    port,
    connectionString: `esdb://${urlHost(host)}:${port}?tls=false`,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

function methodsOf(context: NodeContext): Methods {
  const streams = '/event_store.client.streams.Streams';
  return new Map([
    [`${streams}/Append`, (call: Call) => handleAppend(context, call)],
    [`${streams}/BatchAppend`, (call: Call) => handleBatchAppend(context, call)],
    [`${streams}/Read`, (call: Call) => handleRead(context, call)],
    [`${streams}/Delete`, (call: Call) => handleDelete(context, 'delete', call)],
    [`${streams}/Tombstone`, (call: Call) => handleDelete(context, 'tombstone', call)],
    ['/event_store.client.server_features.ServerFeatures/GetSupportedMethods', handleServerFeatures],
    ['/event_store.client.gossip.Gossip/Read', (call: Call) => handleGossip(context, call)],
  ]);
}

async function openFolder({ dataDir, inMemory }: NodeOptions): Promise<DataFolder> {
  if (dataDir !== undefined && !inMemory) return openDataFolder(dataDir);
  if (!inMemory) throw new Error('an event store node needs dataDir, or inMemory');
  return {
    log: new MemoryLog(),
    index: new EventIndex(),
    instanceId: crypto.randomUUID(),
    savedEvents: 0,
    saveIndex: async () => {},
    close: async () => {},
  };
}

/** A real server has written system events before the first client comes; some tests count on that. */
async function writeFirstEvent(committer: Committer, instanceId: string): Promise<void> {
  const streamName = '$baton-node';
  const data = Buffer.from(JSON.stringify({ instanceId }), 'utf8');
  const outcome = await new Promise<Outcome>((settle) =>
    committer.submit({
      kind: 'append',
      streamName,
      nameBytes: Buffer.from(streamName),
      expected: 'no_stream',
      events: [nodeEvent('$NodeCreated', data, true)],
      bytes: data.length,
      deadlineMs: Number.POSITIVE_INFINITY,
      settle,
    }),
  );
  if (outcome.kind === 'failed') throw new Error(`the data folder cannot be written: ${outcome.message}`);
}

/** An address clients on this machine can dial when the node listens on all. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

function urlHost(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}
