import type { ProposedEvent } from '../storage/record.ts';
import type { Expected } from './append-rules.ts';

/** A write that waits to be decided and written. */
export type Operation = StreamChange | MultiAppend;

/** A change to one stream. */
export type StreamChange = Waiting<Outcome> & {
  readonly kind: 'append' | 'delete' | 'tombstone';
  readonly streamName: string;
  readonly nameBytes: Buffer;
  readonly expected: Expected;
  readonly events: readonly ProposedEvent[];
};

/** An append to several streams: all of it is written, or nothing. */
export type MultiAppend = Waiting<MultiOutcome> & {
  readonly kind: 'multiAppend';
  /** Each stream once, those that are only checked among them. */
  readonly streams: readonly ExpectedStream[];
  /** In the order in which they are written. */
  readonly records: readonly StreamRecord[];
};

export type ExpectedStream = {
  readonly streamName: string;
  readonly nameBytes: Buffer;
  readonly expected: ExpectedState;
};

/** What an append to several streams can expect of one: also that it is deleted. */
export type ExpectedState = Expected | 'soft_deleted' | 'tombstoned';

export type StreamRecord = {
  /** Index in `streams`. */
  readonly stream: number;
  readonly event: ProposedEvent;
};

type Waiting<O> = {
  /** Bytes held by the request, for back-pressure. */
  readonly bytes: number;
  /** Ms since the epoch after which nothing may be written any more; Infinity if there is none. */
  readonly deadlineMs: number;
  /** Called exactly once. */
  readonly settle: (outcome: O) => void;
};

export type Outcome =
  /** Durable. `revision` is that of the operation's last event, or the stream's if it has none (-1: no stream). */
  | { readonly kind: 'done'; readonly revision: number; readonly position: number | undefined }
  /** `current` is the stream's last revision, -1 if it never had an event. */
  | { readonly kind: 'wrongExpectedVersion'; readonly current: number }
  | { readonly kind: 'streamDeleted' }
  | Unfinished;

export type MultiOutcome =
  /** Durable. `revisions` has that of each stream's last event; -1 where a stream is only checked. */
  | { readonly kind: 'done'; readonly revisions: readonly number[]; readonly position: number }
  /** Nothing was written. In the order of `streams`. */
  | { readonly kind: 'violated'; readonly violations: Violations }
  | Unfinished;

export type Violations = readonly [Violation, ...Violation[]];

/** Why an append to several streams was refused. */
export type Violation = {
  /** Index in `streams`. */
  readonly stream: number;
  /** The stream's last revision, -1 if it never had an event. */
  readonly lastRevision: number;
  readonly state: 'present' | 'softDeleted' | 'tombstoned';
};

/** Nothing was decided. */
export type Unfinished =
  | { readonly kind: 'timedOut' }
  | { readonly kind: 'failed'; readonly cause: 'full' | 'broken' | 'stopping'; readonly message: string };
