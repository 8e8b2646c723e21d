import type { FilterRequest } from '../wire/read-request.ts';

export const STRATEGY_NAMES = ['DispatchToSingle', 'RoundRobin', 'Pinned', 'PinnedByCorrelation'] as const;
export type StrategyName = (typeof STRATEGY_NAMES)[number];

/** Where a group without a checkpoint starts, inclusive. `end`: after everything that existed when this was decided. */
export type StartFrom = 'start' | 'end' | number;

/** What a client asks of a group. Sizes count events. */
export type GroupSettings = {
  readonly resolveLinks: boolean;
  readonly startFrom: StartFrom;
  readonly extraStatistics: boolean;
  /** 0: messages never time out. */
  readonly messageTimeoutMs: number;
  readonly maxRetryCount: number;
  readonly checkpointAfterMs: number;
  readonly minCheckpointCount: number;
  readonly maxCheckpointCount: number;
  /** 0: any number. */
  readonly maxSubscriberCount: number;
  readonly liveBufferSize: number;
  readonly readBatchSize: number;
  readonly historyBufferSize: number;
  readonly strategy: StrategyName;
};

/** What a group is to: a stream, or every event. */
export type GroupKey = {
  /** `$all` for a group to everything. */
  readonly stream: string;
  readonly group: string;
};

export const ALL = '$all';

/** Names the group and its streams; the real server cannot distinguish groups with the same name either. */
export const nameOf = ({ stream, group }: GroupKey): string => `${stream}::${group}`;

/** A group as it is stored. */
export type GroupConfig = GroupKey & {
  readonly settings: GroupSettings;
  readonly filter: FilterRequest | undefined;
  /** Position of the end that `startFrom: 'end'` means. */
  readonly endPosition: number;
};
