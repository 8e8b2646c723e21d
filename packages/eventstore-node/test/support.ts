import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AllStreamSubscription,
  EventStoreDBClient,
  jsonEvent,
  type StreamSubscription,
} from '@eventstore/db-client';
import { spawnEventStoreNode } from 'baton-eventstore-node';
import { onTestFinished } from 'vitest';
import { type RunningNode, type SpawnedNode, startEventStoreNode } from '../src/index.ts';

/** A node in memory and a client for it, both gone when the test is. */
export const startNode = async (): Promise<{ node: RunningNode; client: EventStoreDBClient }> => {
  const node = await startEventStoreNode({ inMemory: true });
  onTestFinished(() => node.stop());
  return { node, client: connect(node.connectionString) };
};

/** A node on this folder in a process of its own, gone when the test is. */
export const spawnOn = async (dataDir: string): Promise<SpawnedNode> => {
  const node = await spawnEventStoreNode({ dataDir });
  onTestFinished(() => node.stop());
  return node;
};

export const kill = async (node: SpawnedNode): Promise<void> => {
  process.kill(node.pid, 'SIGKILL');
  await node.exited;
};

export const connect = (connectionString: string): EventStoreDBClient => {
  const client = EventStoreDBClient.connectionString(connectionString);
  onTestFinished(() => client.dispose());
  return client;
};

export const temporaryFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'eventstore-node-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

export const event = (n: number, id?: string) =>
  jsonEvent({ type: 'Counted', data: { n }, metadata: { source: 'test' }, ...(id === undefined ? {} : { id }) });

export const events = (count: number, from = 0) => Array.from({ length: count }, (_, i) => event(from + i));

/** The client uses BatchAppend unless a call carries credentials, which sends it down the Append path. */
export const PATHS = [
  ['BatchAppend', {}],
  ['Append', { credentials: { username: 'admin', password: 'changeit' } }],
] as const;

export const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

/** Reads from a subscription until `done` says so, then ends it. */
export const until = async (
  subscription: StreamSubscription | AllStreamSubscription,
  done: (received: Received[]) => boolean,
): Promise<Received[]> => {
  const received: Received[] = [];
  if (done(received)) return received;
  for await (const { event, link, commitPosition } of subscription) {
    received.push({ event, link, commitPosition } as unknown as Received);
    if (done(received)) break;
  }
  return received;
};

/** The data of an event that must be there. */
export const dataOf = <T>(event: { data: unknown } | undefined): T => {
  if (!event) throw new Error('there is no event');
  return event.data as T;
};

export type Received = {
  event?: { streamId: string; revision: bigint; type: string; data: { n: number }; position?: { commit: bigint } };
  link?: { streamId: string; revision: bigint };
  commitPosition?: bigint;
};

/** Resolves when the condition holds; fails after `timeoutMs`. */
export const eventually = async (condition: () => boolean, timeoutMs = 10_000): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`the condition did not hold within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
