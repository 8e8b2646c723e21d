import { type Call, toGrpcError } from '../grpc/call.ts';
import type { GrpcError } from '../grpc/status.ts';
import { compileFilter } from '../reads/event-filter.ts';
import { Renderer, type RenderOptions } from '../reads/renderer.ts';
import type { StoredRecord } from '../storage/record.ts';
import type { EventStore } from '../store/event-store.ts';
import { tooManySubscribers } from '../wire/persistent-errors.ts';
import type { ConnectRequest } from '../wire/persistent-request.ts';
import { groupConfirmation } from '../wire/persistent-response.ts';
import { CheckpointSaver } from './checkpoint-saver.ts';
import { CheckpointStream } from './checkpoint-stream.ts';
import { GroupConnection } from './connection.ts';
import { type NackAction, SubscriptionGroup, type ToPark } from './group.ts';
import type { GroupInfo } from './info.ts';
import type { Consumer, Message } from './message.ts';
import type { NodeWrites } from './node-writes.ts';
import { ParkedStream } from './parked-stream.ts';
import { pinBucket } from './pin-key.ts';
import { placeText, startText } from './place-text.ts';
import { ALL, type GroupConfig, nameOf } from './settings.ts';
import { AllSource, type GroupSource, StreamSource } from './sources.ts';
import { placeBeforeStart } from './start.ts';
import { Throughput } from './throughput.ts';

/** Messages handed out in one turn, so that other calls get theirs. */
const MAX_SENT_PER_TURN = 500;

/** What groups work with. */
export type GroupTools = {
  readonly store: EventStore;
  readonly writes: NodeWrites;
  /** Ms since the epoch. */
  readonly now: () => number;
};

/** Whether the client may read the stream a link points to. */
type MayRead = (streamName: string) => boolean;

/**
 * A group at work: drives its state with events from the log and answers from clients, and stores its checkpoints and
 * what it parks. All work is done in turns of bounded size, between which other calls get theirs.
 */
export class ActiveGroup {
  readonly #group: SubscriptionGroup;
  readonly #source: GroupSource;
  readonly #checkpoints: CheckpointSaver;
  readonly #parked: ParkedStream;
  readonly #renderer: Renderer;
  readonly #replayRenderer: Renderer;
  readonly #connections = new Map<Consumer, GroupConnection>();
  readonly #throughput: Throughput;
  readonly #stopWaking: () => void;
  readonly #parkWrites = new Set<Promise<void>>();
  #scheduled = false;
  #closedBy: GrpcError | undefined;
  readonly #tools: GroupTools;
  readonly config: GroupConfig;

  constructor(tools: GroupTools, config: GroupConfig) {
    this.#tools = tools;
    this.config = config;

    const { store, writes, now } = tools;
    const { settings, stream, filter } = config;
    this.#parked = new ParkedStream(store, writes, config);
    this.#renderer = this.#rendererOf({ resolveLinks: settings.resolveLinks, structuredIds: false });
    this.#replayRenderer = this.#rendererOf({ resolveLinks: true, structuredIds: false });
    const checkpoints = new CheckpointStream(store, writes, config);
    const stored = checkpoints.read();
    const after = stored ?? placeBeforeStart(store, config);
    this.#checkpoints = new CheckpointSaver(checkpoints, settings, now, stored);
    this.#group = new SubscriptionGroup(settings, after);
    this.#source =
      stream === ALL
        ? new AllSource(store, after, filter && compileFilter(filter))
        : new StreamSource(store, stream, after, now);
    this.#throughput = new Throughput(now());
    this.#stopWaking = store.wakeups.add(stream === ALL ? undefined : stream, () => this.#wake());
    this.#wake();
  }

  /** Throws `GrpcError` if the group has as many clients as it may have, or is closed. */
  connect(call: Call, { bufferSize, structuredIds }: ConnectRequest, mayRead: MayRead): GroupConnection {
    if (this.#closedBy) throw this.#closedBy;
    const { settings } = this.config;
    const most = settings.maxSubscriberCount;
    if (most > 0 && this.#group.consumerCount >= most) throw tooManySubscribers(this.config);
    const connection = new GroupConnection(
      this.#tools.store,
      {
        call,
        consumer: this.#group.connect(bufferSize),
        renderer: this.#rendererOf({ resolveLinks: settings.resolveLinks, structuredIds }, mayRead),
        replayRenderer: this.#rendererOf({ resolveLinks: true, structuredIds }, mayRead),
        extraStatistics: settings.extraStatistics,
      },
      this.#tools.now(),
    );
    this.#connections.set(connection.consumer, connection);
    call.write(groupConfirmation(nameOf(this.config)));
    this.#wake();
    return connection;
  }

  disconnect({ consumer }: GroupConnection): void {
    if (this.#closedBy) return;
    this.#connections.delete(consumer);
    this.#group.disconnect(consumer);
    this.#wake();
  }

  /** The client's connection takes messages again. */
  resume({ consumer }: GroupConnection): void {
    consumer.accepting = true;
    this.#wake();
  }

  ack(ids: readonly string[]): void {
    if (this.#closedBy) return;
    const now = this.#tools.now();
    for (const { consumer, sentAt } of this.#group.ack(ids)) this.#connections.get(consumer)?.acked(now - sentAt);
    this.#afterAnswer();
  }

  nack({ consumer }: GroupConnection, ids: readonly string[], action: NackAction, reason: string): void {
    if (this.#closedBy) return;
    this.#park(this.#group.nack(consumer, ids, action, reason));
    this.#afterAnswer();
  }

  /**
   * Hands out parked messages again, those below revision `stopAt` of the parked stream if it is given. Throws
   * `GrpcError` if the group is closed.
   */
  replay(stopAt: number | undefined): void {
    if (this.#closedBy) throw this.#closedBy;
    this.#parked.claim(stopAt);
    this.#wake();
  }

  /** Called about every second. */
  tick(): void {
    if (this.#closedBy) return;
    this.#park(this.#group.expire(this.#tools.now()));
    this.#checkpoints.offer(this.#group.checkpoint, 'tick');
    this.#truncateParked();
    this.#source.release();
    this.#wake();
  }

  info(): GroupInfo {
    const { settings, stream, group } = this.config;
    const now = this.#tools.now();
    const { fresh, retries, inFlight } = this.#group.counts;
    const head = this.#head();
    const stored = this.#checkpoints.place;
    return {
      stream,
      group,
      settings,
      status: `${this.#group.live ? 'Live' : 'Behind'}${this.#parked.isReplaying ? ', ReplayingParkedMessages' : ''}`,
      startFrom: startText(stream, settings.startFrom),
      lastCheckpoint: stored === undefined ? '' : placeText(stream, stored),
      lastKnown: head === undefined ? '' : placeText(stream, head),
      throughput: this.#throughput.read(now),
      readBuffer: this.#group.live ? 0 : fresh,
      liveBuffer: this.#group.live ? fresh : 0,
      retryBuffer: retries,
      inFlight,
      parked: this.#parked.count,
      connections: [...this.#connections.values()].map((connection) => connection.info(now)),
    };
  }

  /** Stores the checkpoint if there is any progress, for which parking is awaited. It may fail: then it is just older. */
  async saveNow(): Promise<void> {
    await this.pendingWrites();
    this.#checkpoints.offer(this.#group.checkpoint, 'now');
    await this.#checkpoints.idle;
  }

  /** Resolves when nothing of the group is being written. */
  async pendingWrites(): Promise<void> {
    await Promise.all([this.#checkpoints.idle, ...this.#parkWrites]);
  }

  /** Ends the group's work. Clients that connect from now on get this error; `dropClients` notifies those already connected. */
  close(reason: GrpcError): void {
    this.#closedBy = reason;
    this.#stopWaking();
  }

  /** Tells the clients of a closed group why it was closed. */
  dropClients(): void {
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    if (this.#closedBy) for (const connection of connections) connection.fail(this.#closedBy);
  }

  #wake(): void {
    if (this.#scheduled || this.#closedBy) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#closedBy) this.#turn();
    });
  }

  #turn(): void {
    try {
      this.#fill();
      this.#fillReplays();
      this.#dispatch();
    } catch (error) {
      this.#dropAll(toGrpcError(error)); // the log is damaged where the group is to read
      return;
    }
    this.#checkpoints.offer(this.#group.checkpoint, 'progress');
    if (this.#group.firstOpenReplay === undefined && !this.#parked.isReplaying) this.#truncateParked();
    if (this.#source.hasMore && this.#group.room > 0) this.#wake();
  }

  #fill(): void {
    const group = this.#group;
    const source = this.#source;
    if (source.hasMore && group.live && group.room === 0) group.fellBehind();
    const { room } = group;
    if (source.hasMore && room > 0) {
      source.read(room, group.live, {
        add: (record, place, ordinal) => group.add(this.#messageOf(record, place, ordinal)),
        passOver: (place) => group.passOver(place),
      });
    }
    if (!source.hasMore) group.reachedEnd();
  }

  #fillReplays(): void {
    if (!this.#parked.isReplaying) return;
    this.#parked.read(this.#group.replayRoom, (record, ordinal) =>
      this.#group.replay({ ...this.#messageOf(record, record.revision, ordinal), replayed: true }),
    );
  }

  #messageOf(record: StoredRecord, place: number, ordinal: number) {
    const bucket = pinBucket(this.config.settings.strategy, this.#renderer, record);
    return { id: record.id, place, ordinal, bucket, replayed: false };
  }

  /** What an answer makes room for is chosen at once, so that the order does not depend on how many answers arrive together. */
  #afterAnswer(): void {
    this.#handOut();
    this.#wake();
  }

  /** Returns how many messages it were. They leave with the next turn. */
  #handOut(): number {
    return this.#group.dispatch(this.#tools.now(), MAX_SENT_PER_TURN, (message) => {
      this.#connections.get(message.consumer)?.send(message);
      this.#throughput.count();
    });
  }

  #dispatch(): void {
    const sent = this.#handOut();
    for (const connection of [...this.#connections.values()]) {
      connection.flush();
      if (connection.failure) this.#drop(connection, connection.failure);
    }
    if (sent === MAX_SENT_PER_TURN) this.#wake();
  }

  #dropAll(error: GrpcError): void {
    for (const connection of [...this.#connections.values()]) this.#drop(connection, error);
  }

  #drop(connection: GroupConnection, error: GrpcError): void {
    this.disconnect(connection);
    connection.fail(error);
  }

  #park(messages: readonly ToPark[]): void {
    for (const { held, reason } of messages) {
      const write: Promise<void> = this.#storeParked(held.message, reason)
        .then(
          () => this.#group.parked(held),
          () => this.#group.parkFailed(held), // it is given out again
        )
        .finally(() => {
          this.#parkWrites.delete(write);
          this.#wake();
        });
      this.#parkWrites.add(write);
    }
  }

  async #storeParked({ ordinal, replayed }: Message, reason: string): Promise<void> {
    const record = this.#tools.store.record(ordinal);
    const shown = (replayed ? this.#replayRenderer : this.#renderer).resolve(record);
    await this.#parked.park(record, shown, { reason, added: this.#tools.now() });
  }

  #truncateParked(): void {
    this.#parked.truncate(this.#group.firstOpenReplay).catch(() => {}); // tried again with the next tick
  }

  /** The last place there is in the source. */
  #head(): number | undefined {
    const { index } = this.#tools.store;
    const { stream } = this.config;
    if (stream === ALL) return index.visible === 0 ? undefined : index.positions.get(index.visible - 1);
    const id = index.find(stream);
    const last = id === undefined ? -1 : index.lastRevision(id);
    return last < 0 ? undefined : last;
  }

  #rendererOf(options: RenderOptions, mayRead: MayRead = () => true): Renderer {
    return new Renderer(this.#tools.store, options, this.#tools.now, mayRead);
  }
}
