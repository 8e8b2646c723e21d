import type { Access } from '../access/access.ts';
import type { Call } from '../grpc/call.ts';
import type { PersistentSubscriptions } from '../persistent/subscriptions.ts';
import type { SlowSubscribers } from '../reads/slow-subscribers.ts';
import type { Committer } from '../store/committer.ts';
import type { EventStore } from '../store/event-store.ts';

/** What the services share. */
export type NodeContext = {
  readonly access: Access;
  readonly store: EventStore;
  readonly committer: Committer;
  readonly persistent: PersistentSubscriptions;
  /** Ms since the epoch. */
  readonly now: () => number;
  readonly instanceId: string;
  readonly slowSubscribers: SlowSubscribers | undefined;
  /** Whether appends to several streams are served. */
  readonly v2: boolean;
  /** Catch-up subscriptions that are open. */
  readonly subscriptions: Set<Call>;
  /** Where clients reach this node; known once it listens. */
  readonly endpoint: () => { host: string; port: number };
};
