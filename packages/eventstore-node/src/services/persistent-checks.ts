import type { NewGroupConfig } from '../persistent/config-stream.ts';
import { ALL, STRATEGY_NAMES, type StrategyName } from '../persistent/settings.ts';
import { compileFilter } from '../reads/event-filter.ts';
import type { EventStore } from '../store/event-store.ts';
import { groupFailed } from '../wire/persistent-errors.ts';
import type { GroupRequest } from '../wire/persistent-settings.ts';

/** Refuses settings that mean nothing, as the real server does. Throws `GrpcError`. */
export const checkGroupRequest = (store: EventStore, request: GroupRequest): NewGroupConfig => {
  const { stream, group, filter, settings } = request;
  const reason = reasonAgainst(store, request);
  if (reason) throw groupFailed(request, reason);
  if (filter) compileFilter(filter);
  return { stream, group, filter, settings: { ...settings, strategy: settings.strategy as StrategyName } };
};

const reasonAgainst = (store: EventStore, { stream, group, toAll, settings }: GroupRequest): string | undefined => {
  const { strategy, startFrom, readBatchSize, historyBufferSize } = settings;
  if (stream === '') return 'the stream name is empty';
  if (group === '') return 'the group name is empty';
  if (stream === ALL && !toAll) return `${ALL} is not a stream; create a group to all instead`;
  if (!STRATEGY_NAMES.some((name) => name === strategy)) return `consumer strategy ${strategy} does not exist`;
  if (readBatchSize >= historyBufferSize) return 'the read batch size must be smaller than the history buffer size';
  if (toAll && typeof startFrom === 'number' && startFrom > lastPosition(store)) {
    return 'the start position is beyond the end of the log';
  }
  return undefined;
};

const lastPosition = ({ index }: EventStore): number =>
  index.visible === 0 ? 0 : index.positions.get(index.visible - 1);
