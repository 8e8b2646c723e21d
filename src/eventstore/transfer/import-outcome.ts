import type { Revision } from '../event-store.ts';

/** Why a stream was left as it is, from there on. */
export type Problem = {
  readonly kind: 'conflict' | 'refused';
  readonly stream: string;
  /** In the target; undefined where it is not about an event. */
  readonly revision: Revision | undefined;
  readonly fileId: string | undefined;
  /** Undefined where the target has none there, or does not show it. */
  readonly targetId: string | undefined;
  readonly message: string;
};

export type Imported = {
  /** Of the file, metadata and tombstones apart. */
  readonly events: number;
  readonly written: number;
  readonly present: number;
  readonly streams: number;
  readonly metadata: { readonly written: number; readonly present: number };
  readonly tombstones: { readonly written: number; readonly present: number };
  /** Streams whose first events were gone at the source: their revisions are lower by so much. */
  readonly renumbered: readonly { readonly stream: string; readonly by: Revision }[];
  readonly problems: readonly Problem[];
  /** The last line of the file was torn, and left out. */
  readonly tornLine: boolean;
  /** False when it was interrupted. */
  readonly complete: boolean;
};
