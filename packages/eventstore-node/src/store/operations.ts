import type { ProposedEvent } from '../storage/record.ts';
import type { Expected } from './append-rules.ts';

/** A change to a stream, waiting to be decided and written. */
export type Operation = {
  readonly kind: 'append' | 'delete' | 'tombstone';
  readonly streamName: string;
  readonly nameBytes: Buffer;
  readonly expected: Expected;
  readonly events: readonly ProposedEvent[];
  /** Bytes held by the request, for back-pressure. */
  readonly bytes: number;
  /** Ms since the epoch after which nothing may be written any more; Infinity if there is none. */
  readonly deadlineMs: number;
  /** Called exactly once. */
  readonly settle: (outcome: Outcome) => void;
};

export type Outcome =
  /** Durable. `revision` is that of the operation's last event, or the stream's if it has none (-1: no stream). */
  | { readonly kind: 'done'; readonly revision: number; readonly position: number | undefined }
  /** `current` is the stream's last revision, -1 if it never had an event. */
  | { readonly kind: 'wrongExpectedVersion'; readonly current: number }
  | { readonly kind: 'streamDeleted' }
  | { readonly kind: 'timedOut' }
  | { readonly kind: 'failed'; readonly cause: 'full' | 'broken' | 'stopping'; readonly message: string };
