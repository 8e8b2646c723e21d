import type { Revision } from '../event-store.ts';

/** Why the rest of a stream was not imported. */
export type Problem = {
  readonly kind: 'conflict' | 'refused';
  readonly stream: string;
  /** Revision in the target; undefined if the problem is not about an event. */
  readonly revision: Revision | undefined;
  readonly fileId: string | undefined;
  /** Undefined if the target has no event there, or does not show it. */
  readonly targetId: string | undefined;
  readonly message: string;
};

export type Imported = {
  /** Events of the file, without metadata and tombstones. */
  readonly events: number;
  readonly written: number;
  readonly present: number;
  readonly streams: number;
  readonly metadata: { readonly written: number; readonly present: number };
  readonly tombstones: { readonly written: number; readonly present: number };
  /** Streams whose first events were missing at the source: how much lower their revisions are. */
  readonly renumbered: readonly { readonly stream: string; readonly by: Revision }[];
  readonly problems: readonly Problem[];
  /** The last line of the file was torn and was skipped. */
  readonly tornLine: boolean;
  /** False when it was interrupted. */
  readonly complete: boolean;
};
