import { z } from 'zod';
import { compileFilter } from '../reads/event-filter.ts';
import type { EventStore } from '../store/event-store.ts';
import { nodeEvent } from '../store/proposed-event.ts';
import type { FilterRequest } from '../wire/read-request.ts';
import { jsonData, type NodeWrites } from './node-writes.ts';
import { type GroupConfig, type GroupKey, nameOf, STRATEGY_NAMES } from './settings.ts';

const STREAM = '$persistentSubscriptionConfig';
const EVENT_TYPE = '$PersistentConfig';

const canBeCompiled = (filter: FilterRequest): boolean => {
  try {
    compileFilter(filter);
    return true;
  } catch {
    return false; // its regular expression is not valid
  }
};

const areDifferent = (groups: readonly GroupKey[]): boolean => new Set(groups.map(nameOf)).size === groups.length;

const integer = z.number().refine(Number.isInteger);

const entrySchema = z.object({
  stream: z.string(),
  group: z.string(),
  settings: z.object({
    resolveLinks: z.boolean(),
    startFrom: z.union([z.literal('start'), z.literal('end'), integer]),
    extraStatistics: z.boolean(),
    messageTimeoutMs: integer,
    maxRetryCount: integer,
    checkpointAfterMs: integer,
    minCheckpointCount: integer,
    maxCheckpointCount: integer,
    maxSubscriberCount: integer,
    liveBufferSize: integer,
    readBatchSize: integer,
    historyBufferSize: integer,
    strategy: z.enum(STRATEGY_NAMES),
  }),
  filter: z
    .object({
      on: z.enum(['streamName', 'eventType']),
      regex: z.string(),
      prefixes: z.array(z.string()),
      checkpointInterval: integer,
    })
    .refine(canBeCompiled)
    .nullable(),
  /** Null: the position of this very event. */
  endPosition: integer.nullable(),
});

const configSchema = z.object({ entries: z.array(entrySchema).refine(areDifferent) });

/** A group to store. The end it may start at is decided by storing it. */
export type NewGroupConfig = Omit<GroupConfig, 'endPosition'> & { readonly endPosition?: number };

/** All groups there are, as one JSON event; the newest counts. */
export class ConfigStream {
  readonly #store: EventStore;
  readonly #writes: NodeWrites;

  constructor(store: EventStore, writes: NodeWrites) {
    this.#store = store;
    this.#writes = writes;
  }

  /** Skips events that are not such a list: without TLS, anybody may write to this stream. */
  read(): GroupConfig[] {
    const range = this.#store.readableRange(STREAM);
    if (!range) return [];
    for (let revision = range.last; revision >= 0; revision--) {
      const { type, data, position } = this.#store.record(this.#store.index.ordinal(range.stream, revision));
      const groups = type === EVENT_TYPE ? parse(data, position) : undefined;
      if (groups) return groups;
    }
    return [];
  }

  /** Returns the groups as they are stored then. */
  async write(groups: readonly NewGroupConfig[], updatedBy: string, now: number): Promise<GroupConfig[]> {
    if (!this.#store.readableRange(STREAM)) await this.#writes.setMetadata(STREAM, { $maxCount: 2 });
    const entries = groups.map((group) => ({
      ...group,
      filter: group.filter ?? null,
      endPosition: group.endPosition ?? null,
    }));
    const data = jsonData({ version: '2', updated: new Date(now).toISOString(), updatedBy, entries });
    const position = await this.#writes.append(STREAM, nodeEvent(EVENT_TYPE, data, true));
    return groups.map((group) => ({ ...group, endPosition: group.endPosition ?? position }));
  }
}

const parse = (data: Buffer, position: number): GroupConfig[] | undefined => {
  const config = configSchema.safeParse(parseJson(data));
  return config.data?.entries.map((entry) => ({
    ...entry,
    filter: entry.filter ?? undefined,
    endPosition: entry.endPosition ?? position,
  }));
};

const parseJson = (data: Buffer): unknown => {
  try {
    return JSON.parse(data.toString('utf8'));
  } catch {
    return undefined; // not JSON, so not a list of groups
  }
};
