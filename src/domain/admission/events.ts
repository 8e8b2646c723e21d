import { z } from 'zod';
import type { EventOf } from '../event-definition.ts';
import { PoolId } from '../ids.ts';
import { Instant } from '../instant.ts';

const Reason = z.string().max(1_000).optional();

/**
 * What people decide about the work of a pool. In a stream of its own beside the pool's ledger, whose one writer would lose its fence to
 * an event of somebody else (docs/adr/0035).
 */
export const admissionEvents = {
  /** From here on no agent gets a task of the pool; what agents hold goes on. */
  PoolPaused: {
    schemaVersion: 1,
    schema: z.strictObject({ pool: PoolId, reason: Reason, pausedAt: Instant }),
  },
  PoolResumed: {
    schemaVersion: 1,
    schema: z.strictObject({ pool: PoolId, reason: Reason, resumedAt: Instant }),
  },
} as const;

export type AdmissionEvent = EventOf<typeof admissionEvents>;
