import { z } from 'zod';
import type { EventOf } from '../event-definition.ts';
import { Instant } from '../instant.ts';

export const clusterEvents = {
  /** The first event of a log: the identity that Postgres and Redis must agree with. */
  ClusterCreated: {
    schemaVersion: 1,
    schema: z.strictObject({ clusterId: z.uuid(), createdAt: Instant }),
  },
} as const;

export type ClusterEvent = EventOf<typeof clusterEvents>;
