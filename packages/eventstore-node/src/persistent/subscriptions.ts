import { GrpcError, Status } from '../grpc/status.ts';
import { groupDoesNotExist, groupDropped, groupExists } from '../wire/persistent-errors.ts';
import { ActiveGroup, type GroupTools } from './active-group.ts';
import { ConfigStream, type NewGroupConfig } from './config-stream.ts';
import { removeGroupStreams } from './group-streams.ts';
import type { GroupInfo } from './info.ts';
import { type GroupConfig, type GroupKey, nameOf } from './settings.ts';

const TICK_MS = 1_000;

/**
 * The node's persistent subscriptions. What they are and how far they are is kept in the event log, in streams of their
 * own, and read back from there at start. Changes to the list of groups are made one after another.
 */
export class PersistentSubscriptions {
  readonly #groups = new Map<string, ActiveGroup>();
  readonly #configs: ConfigStream;
  #clockwork: NodeJS.Timeout | undefined;
  #lastChange: Promise<unknown> = Promise.resolve();
  #stopped = false;
  readonly #tools: GroupTools;

  constructor(tools: GroupTools) {
    this.#tools = tools;
    this.#configs = new ConfigStream(tools.store, tools.writes);
  }

  /** Reads what groups there are. Throws `DamagedLog` if that is not possible. */
  start(): void {
    this.#clockwork = setInterval(() => this.#tick(), TICK_MS).unref();
    this.#load();
  }

  /** Errors: `GrpcError` if the group exists, or could not be stored. */
  create(config: NewGroupConfig, user: string): Promise<void> {
    return this.#change(async () => {
      if (this.#groups.has(nameOf(config))) throw groupExists(config);
      await this.#removeStored(config);
      const stored = await this.#store([...this.#configurations(), config], user);
      this.#activate(stored, config);
    });
  }

  /** Clients are dropped; checkpoint, parked messages and filter are kept. */
  update(config: NewGroupConfig, user: string): Promise<void> {
    return this.#change(async () => {
      const group = this.find(config);
      const changed = { ...config, ...unchanged(group.config, config) };
      const stored = await this.#store([...this.#configurations(config), changed], user);
      group.close(groupDropped(config));
      try {
        await group.saveNow();
        this.#activate(stored, config);
      } finally {
        group.dropClients(); // not before: who connects again at once is to find the new group
      }
    });
  }

  /** Clients are dropped, and what the group has stored is removed. */
  delete(key: GroupKey, user: string): Promise<void> {
    return this.#change(async () => {
      const group = this.find(key);
      await this.#store(this.#configurations(key), user);
      this.#groups.delete(nameOf(key));
      group.close(groupDropped(key));
      group.dropClients();
      await group.pendingWrites();
      await this.#removeStored(key).catch(() => {}); // then it is removed before a group of this name is created again
    });
  }

  /** Drops every client and reads all groups again from the log. */
  restart(): Promise<void> {
    return this.#change(async () => {
      const before = [...this.#groups.values()];
      for (const group of before) group.close(groupDropped(group.config));
      try {
        await this.#saveAll();
        this.#load();
      } finally {
        for (const group of before) group.dropClients();
      }
    });
  }

  /** Throws `GrpcError` if there is no such group. */
  find(key: GroupKey): ActiveGroup {
    const group = this.#groups.get(nameOf(key));
    if (!group) throw groupDoesNotExist(key);
    return group;
  }

  /** All groups, or those to one stream. Throws `GrpcError` if that has none. */
  list(stream: string | undefined): GroupInfo[] {
    const all = [...this.#groups.values()];
    if (stream === undefined) return all.map((group) => group.info());
    const ofStream = all.filter(({ config }) => config.stream === stream);
    if (ofStream.length === 0) throw groupDoesNotExist({ stream, group: '' });
    return ofStream.map((group) => group.info());
  }

  /** Hands out nothing any more and stores how far everything is. Calls of clients are left for the server to end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#clockwork);
    await this.#lastChange;
    for (const group of this.#groups.values()) group.close(shuttingDown());
    await this.#saveAll();
  }

  #load(): void {
    const configs = this.#configs.read();
    this.#groups.clear();
    for (const config of configs) this.#groups.set(nameOf(config), new ActiveGroup(this.#tools, config));
  }

  #tick(): void {
    for (const group of this.#groups.values()) group.tick();
  }

  #change(make: () => Promise<void>): Promise<void> {
    const change = this.#lastChange.then(async () => {
      if (this.#stopped) throw shuttingDown();
      await make();
    });
    this.#lastChange = change.catch(() => {}); // reported to the caller who asked for the change
    return change;
  }

  async #saveAll(): Promise<void> {
    await Promise.all([...this.#groups.values()].map((group) => group.saveNow()));
  }

  /** Those of all groups but this one. */
  #configurations(except?: GroupKey): GroupConfig[] {
    const name = except && nameOf(except);
    return [...this.#groups.values()].map(({ config }) => config).filter((config) => nameOf(config) !== name);
  }

  #store(groups: readonly NewGroupConfig[], user: string): Promise<GroupConfig[]> {
    return this.#configs.write(groups, user, this.#tools.now());
  }

  #activate(stored: readonly GroupConfig[], key: GroupKey): void {
    const config = stored.find((one) => nameOf(one) === nameOf(key)) as GroupConfig;
    this.#groups.set(nameOf(key), new ActiveGroup(this.#tools, config));
  }

  #removeStored(key: GroupKey): Promise<void> {
    return removeGroupStreams(this.#tools.store, this.#tools.writes, key);
  }
}

const shuttingDown = (): GrpcError => new GrpcError(Status.unavailable, 'the node is shutting down');

/** What an update keeps: the filter, and where the end was for a group that has started there already. */
const unchanged = (before: GroupConfig, after: NewGroupConfig) => {
  const sameStart = before.settings.startFrom === 'end' && after.settings.startFrom === 'end';
  return { filter: before.filter, ...(sameStart && { endPosition: before.endPosition }) };
};
