export { type Security, type SecurityFlags, securityFrom } from './access/security-flags.ts';
export type { UserSettings } from './access/user-settings.ts';
export type { KeepAlive } from './grpc/keep-alive.ts';
export type { TlsFiles } from './grpc/tls.ts';
export { type NodeOptions, type RunningNode, startEventStoreNode } from './node.ts';
export { type SlowFlags, type SlowSubscribers, slowSubscribersFrom } from './reads/slow-subscribers.ts';
export { NodeNotStarted, type SpawnedNode, type SpawnOptions, spawnEventStoreNode } from './spawn.ts';
export { FolderInUse } from './storage/folder-lock.ts';
export { DamagedLog } from './storage/log.ts';
