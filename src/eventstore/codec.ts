import type { EventDefinitions, EventOf } from '../domain/event-definition.ts';
import { type DomainEvent, domainEvents } from '../domain/events.ts';
import { categoryOf, eventIdOf } from '../domain/ids.ts';
import { findJsonIssue, type Json, MAX_BUILT_DEPTH } from '../domain/json.ts';
import type { EventMetadata, NewEvent, StoredEvent } from './event-store.ts';
import { EMPTY_HEAD, type StreamHead, seal } from './provenance.ts';
import { upcasters as domainUpcasters, type Upcaster, type Upcasters } from './upcasters.ts';

export type { StreamHead } from './provenance.ts';

/** The command that events are recorded under. */
export type EventContext = {
  readonly tenant: string;
  readonly commandId: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly actor: string;
  /** Instant of the decision, ISO 8601 UTC. */
  readonly at: string;
  readonly fingerprint?: string;
  readonly traceparent?: string;
  /**
   * Source of the events' ids; default: the command. Required when two processes may decide the same command: otherwise the store would
   * treat the second append as a repeat of the first, although they may differ.
   */
  readonly idsFrom?: string;
};

/** A newer build, or another program, wrote the event: this build cannot read it. */
export class UnknownSchemaVersion extends Error {
  override readonly name = 'UnknownSchemaVersion';
  readonly event: Pick<StoredEvent, 'stream' | 'revision' | 'position' | 'type'>;
  readonly schemaVersion: unknown;
  constructor(event: StoredEvent, newest: number) {
    const { stream, revision, position, type } = event;
    const { schemaVersion } = event.metadata;
    super(
      `${type} at revision ${revision} of stream ${stream} has schema version ${schemaVersion}, this build knows 1 to ${newest}`,
    );
    this.event = { stream, revision, position, type };
    this.schemaVersion = schemaVersion;
  }
}

type Entry = {
  readonly newest: number;
  readonly schema: EventDefinitions[string]['schema'];
  /** `chain[n - 1]` leads from version n to n + 1. */
  readonly chain: readonly Upcaster[];
};

const entriesOf = (definitions: EventDefinitions, upcasters: Upcasters): ReadonlyMap<string, Entry> => {
  const unused = new Set(Object.keys(upcasters));
  const entries = new Map<string, Entry>();
  for (const [type, { schemaVersion: newest, schema }] of Object.entries(definitions)) {
    const chain: Upcaster[] = [];
    for (let version = 1; version < newest; version += 1) {
      const key = `${type}@${version}`;
      const upcaster = upcasters[key];
      if (upcaster === undefined) throw new Error(`${type} has schema version ${newest}, but no upcaster ${key}`);
      unused.delete(key);
      chain.push(upcaster);
    }
    entries.set(type, { newest, schema, chain });
  }
  if (unused.size > 0) throw new Error(`upcasters without a schema version to lead to: ${[...unused].join(', ')}`);
  return entries;
};

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const metadataOf = (context: EventContext, schemaVersion: number): Omit<EventMetadata, 'prevHash' | 'hash'> => {
  const { causationId, correlationId, actor, at, commandId, fingerprint, tenant, traceparent } = context;
  const metadata: Writable<Omit<EventMetadata, 'prevHash' | 'hash'>> = {
    $causationId: causationId,
    $correlationId: correlationId,
    actor,
    at,
    commandId,
    schemaVersion,
    tenant,
  };
  if (fingerprint !== undefined) metadata.fingerprint = fingerprint;
  if (traceparent !== undefined) metadata.traceparent = traceparent;
  return metadata;
};

/** `<category>-<tenant>.<id>`: an event can only be recorded in a stream of its own tenant. */
const checkStream = (stream: string, tenant: string): void => {
  const inTenant = stream.startsWith(`${categoryOf(stream)}-${tenant}.`);
  if (tenant === '' || stream.startsWith('$') || !inTenant)
    throw new Error(`bug: ${JSON.stringify(stream)} is not a stream of tenant ${JSON.stringify(tenant)}`);
};

/** Levels around a payload, which itself may be `MAX_BUILT_DEPTH` deep. */
const ENVELOPE_LEVELS = 4;

const checkStorable = (value: unknown, what: string): void => {
  const issue = findJsonIssue(value, MAX_BUILT_DEPTH + ENVELOPE_LEVELS);
  if (issue)
    throw new Error(`bug: ${what} cannot be stored: ${issue.code} at ${issue.pointer || '/'}: ${issue.message}`);
};

/** Encodes and decodes the events of one table of definitions. Throws when an upcaster is missing or unused. */
export const createCodec = <Definitions extends EventDefinitions>(definitions: Definitions, upcasters: Upcasters) => {
  const entries = entriesOf(definitions, upcasters);

  const dataOf = ({ type, data }: { readonly type: string; readonly data: unknown }, entry: Entry): Json => {
    const parsed = entry.schema.safeParse(data);
    if (!parsed.success)
      throw new Error(`bug: the data of ${type} does not fit its schema: ${parsed.error.message}`, {
        cause: parsed.error,
      });
    checkStorable(parsed.data, `the data of ${type}`);
    return parsed.data as Json;
  };

  return {
    encodeEvents(
      stream: string,
      context: EventContext,
      events: readonly EventOf<Definitions>[],
      head: StreamHead,
    ): NewEvent[] {
      checkStream(stream, context.tenant);
      checkStorable(context, `the context of command ${context.commandId}`);
      const idsFrom = context.idsFrom ?? context.commandId;
      let before = head;
      return events.map((event, ordinal) => {
        const entry = entries.get(event.type);
        if (entry === undefined) throw new Error(`bug: ${event.type} is not an event type of this build`);
        const sealed = seal(stream, before, {
          id: eventIdOf(idsFrom, ordinal),
          type: event.type,
          data: dataOf(event, entry),
          metadata: metadataOf(context, entry.newest),
        });
        before = headAfter([sealed], before);
        return sealed;
      });
    },

    decodeEvent(stored: StoredEvent): EventOf<Definitions> | undefined {
      const entry = entries.get(stored.type);
      if (entry === undefined) return undefined;
      const { schemaVersion } = stored.metadata;
      let data: unknown = stored.data;
      if (schemaVersion !== entry.newest) {
        if (!Number.isInteger(schemaVersion) || schemaVersion < 1 || schemaVersion > entry.newest)
          throw new UnknownSchemaVersion(stored, entry.newest);
        for (let version = schemaVersion; version < entry.newest; version += 1)
          data = (entry.chain[version - 1] as (data: unknown) => unknown)(data);
      }
      return { type: stored.type, data } as EventOf<Definitions>;
    },
  };
};

/** The head of a stream once `events`, sealed after `before`, are appended to it. */
export const headAfter = (events: readonly NewEvent[], before: StreamHead = EMPTY_HEAD): StreamHead => {
  const last = events.at(-1);
  if (last === undefined) return before;
  const revision = before.revision === 'no_stream' ? -1n : before.revision;
  return { revision: revision + BigInt(events.length), hash: last.metadata.hash };
};

const domainCodec = createCodec(domainEvents, domainUpcasters);

/**
 * Prepares the events of a command for an append after `head`: derives their ids from the command, checks their data against the newest
 * schema, and seals them into the stream's chain.
 *
 * Errors: a plain throw (a bug) for data that does not fit its schema or that a reader of the log could not store.
 */
export const encodeEvents: (
  stream: string,
  context: EventContext,
  events: readonly DomainEvent[],
  head: StreamHead,
) => NewEvent[] = domainCodec.encodeEvents;

/**
 * The event in its newest schema version; undefined when this build does not know its type. Its data is not checked against the schema:
 * that happened before it was written.
 *
 * Errors: throws `UnknownSchemaVersion`.
 */
export const decodeEvent: (stored: StoredEvent) => DomainEvent | undefined = domainCodec.decodeEvent;

/** As `decodeEvent`, but also undefined for a schema version that this build does not know. */
export const readEvent = (stored: StoredEvent): DomainEvent | undefined => {
  try {
    return decodeEvent(stored);
  } catch (error) {
    if (error instanceof UnknownSchemaVersion) return undefined;
    throw error;
  }
};

export const isKnownType = (type: string): type is keyof typeof domainEvents => Object.hasOwn(domainEvents, type);

/** Whether this build can read events of that type and schema version. */
export const isReadable = ({
  type,
  schemaVersion,
}: {
  readonly type: string;
  readonly schemaVersion: number;
}): boolean => isKnownType(type) && schemaVersion >= 1 && schemaVersion <= domainEvents[type].schemaVersion;
