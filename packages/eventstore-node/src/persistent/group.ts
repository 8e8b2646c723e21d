import type { ConsumerStrategy } from './consumer-strategy.ts';
import { type Consumer, type Held, hasRoom, type Message } from './message.ts';
import { MessageQueue } from './message-queue.ts';
import { type Checkpoint, Progress } from './progress.ts';
import type { GroupSettings } from './settings.ts';
import { strategyOf } from './strategies.ts';

export type NackAction = 'park' | 'retry' | 'skip';

/** A message with a consumer that has not answered yet. */
export type InFlight = Held & {
  readonly consumer: Consumer;
  /** Ms since the epoch. */
  readonly sentAt: number;
};

/** Messages to park, and why. */
export type ToPark = {
  readonly held: Held;
  readonly reason: string;
};

type Limits = Pick<
  GroupSettings,
  'strategy' | 'maxRetryCount' | 'messageTimeoutMs' | 'readBatchSize' | 'historyBufferSize' | 'liveBufferSize'
>;

/**
 * The state of one group: what is read, waiting, out with consumers, or to be parked. No clock and no I/O; whoever
 * drives it reads the source, sends what is dispatched and stores what is parked.
 *
 * A message is in exactly one place: `fresh` (read, never sent) -> in flight -> settled, or from in flight to `retries`
 * (given back; served before fresh ones) and out again, or to `parking` until that is stored. Replayed messages wait in
 * `replays`, between the two.
 *
 * A group is *live* while its cursor is at the end of the source. It falls behind when its buffer is full, and reads
 * from the log again when there is room for a batch.
 */
export class SubscriptionGroup {
  readonly #fresh = new MessageQueue();
  readonly #retries = new MessageQueue();
  readonly #replays = new MessageQueue();
  /** By message id, in the order sent, which is that of their timeouts. */
  readonly #inFlight = new Map<string, InFlight>();
  readonly #parking = new Set<Held>();
  readonly #progress: Progress;
  readonly #openReplays = new Set<number>();
  readonly #strategy: ConsumerStrategy;
  #consumers: readonly Consumer[] = [];
  #isLive = false;

  readonly #limits: Limits;

  /** `place`: up to where everything was dealt with before. */
  constructor(limits: Limits, place: number) {
    this.#limits = limits;
    this.#progress = new Progress(place);
    this.#strategy = strategyOf(limits.strategy);
  }

  // Reading

  /** How many events of the source may be read now. */
  get room(): number {
    const held = this.#fresh.length + this.#retries.length + this.#parking.size;
    if (this.#isLive) return Math.max(0, this.#limits.liveBufferSize - held);
    const batch = Math.max(1, this.#limits.readBatchSize);
    return held + batch <= Math.max(batch, this.#limits.historyBufferSize) ? batch : 0;
  }

  /** How many parked messages may be read for replay now. */
  get replayRoom(): number {
    return Math.max(0, Math.max(1, this.#limits.readBatchSize) - this.#replays.length);
  }

  get live(): boolean {
    return this.#isLive;
  }

  /** The source has nothing more to read. */
  reachedEnd(): void {
    this.#isLive = true;
  }

  /** The source has more than there is room for. */
  fellBehind(): void {
    this.#isLive = false;
  }

  /** The source's next event. */
  add(message: Message): void {
    this.#progress.begin(message.place);
    this.#fresh.add({ message, retries: 0 });
  }

  passOver(place: number): void {
    this.#progress.passOver(place);
  }

  /** The next parked message that is replayed. */
  replay(message: Message): void {
    this.#openReplays.add(message.place);
    this.#replays.add({ message, retries: 0 });
  }

  // Consumers

  get consumerCount(): number {
    return this.#consumers.length;
  }

  connect(bufferSize: number): Consumer {
    const consumer = { bufferSize, unacked: new Set<string>(), accepting: true };
    this.#arrange([...this.#consumers, consumer]);
    return consumer;
  }

  /** What the consumer has not acknowledged goes back, one retry older. */
  disconnect(consumer: Consumer): void {
    if (!this.#consumers.includes(consumer)) return;
    this.#arrange(this.#consumers.filter((other) => other !== consumer));
    for (const id of consumer.unacked) this.#requeue(this.#inFlight.get(id) as InFlight);
  }

  /**
   * Hands out what can be handed out, up to `limit` messages: given back ones first, then replayed, then new ones.
   * Returns how many it were. `send` must not call the group.
   */
  dispatch(now: number, limit: number, send: (message: InFlight) => void): number {
    let sent = 0;
    for (const queue of [this.#retries, this.#replays, this.#fresh]) {
      queue.offer((held) => {
        const answer = sent < limit ? this.#handOut(held, now, send) : 'stop';
        if (answer === 'taken') sent++;
        return answer;
      });
    }
    return sent;
  }

  #handOut(held: Held, now: number, send: (message: InFlight) => void): 'taken' | 'left' | 'stop' {
    if (this.#inFlight.has(held.message.id)) return 'left'; // an older event with the same id is out
    const consumer = this.#strategy.choose(held.message);
    if (!consumer) return this.#strategy.inOrder || !this.#consumers.some(hasRoom) ? 'stop' : 'left';
    const sent: InFlight = { ...held, consumer, sentAt: now };
    this.#inFlight.set(held.message.id, sent);
    consumer.unacked.add(held.message.id);
    send(sent);
    return 'taken';
  }

  // Answers

  /** Returns what was acknowledged; ids that are not out (any more) are passed over. */
  ack(ids: readonly string[]): InFlight[] {
    const acked: InFlight[] = [];
    for (const id of ids) {
      const message = this.#take(id);
      if (!message) continue;
      this.#settle(message);
      acked.push(message);
    }
    return acked;
  }

  /** Returns what is to be parked; `parked` or `parkFailed` must follow for each. */
  nack(consumer: Consumer, ids: readonly string[], action: NackAction, reason: string): ToPark[] {
    const toPark: ToPark[] = [];
    for (const id of ids) {
      const message = consumer.unacked.has(id) ? this.#take(id) : undefined;
      if (!message) continue;
      if (action === 'park') toPark.push(this.#park(message, `Client explicitly NAK'ed message.\n${reason}`));
      else if (action === 'retry') toPark.push(...this.#retryOrPark(message));
      else this.#settle(message);
    }
    return toPark;
  }

  /** Takes back what was sent too long ago. Returns what is to be parked, as `nack`. */
  expire(now: number): ToPark[] {
    const { messageTimeoutMs } = this.#limits;
    const toPark: ToPark[] = [];
    if (messageTimeoutMs <= 0) return toPark;
    for (const [id, { sentAt }] of this.#inFlight) {
      if (sentAt + messageTimeoutMs > now) break;
      toPark.push(...this.#retryOrPark(this.#take(id) as InFlight));
    }
    return toPark;
  }

  parked(held: Held): void {
    if (this.#parking.delete(held)) this.#settle(held);
  }

  /** It could not be stored as parked: it is given out again, and nothing is lost. */
  parkFailed(held: Held): void {
    if (this.#parking.delete(held)) this.#queueOf(held).add(held);
  }

  // What is known

  get checkpoint(): Checkpoint {
    return this.#progress.checkpoint;
  }

  /** The first replayed message that is not dealt with, by its place in the parked stream. */
  get firstOpenReplay(): number | undefined {
    for (const place of this.#openReplays) return place;
    return undefined;
  }

  get counts() {
    return {
      fresh: this.#fresh.length,
      retries: this.#retries.length + this.#replays.length,
      inFlight: this.#inFlight.size,
      parking: this.#parking.size,
    };
  }

  #arrange(consumers: readonly Consumer[]): void {
    this.#consumers = consumers;
    this.#strategy.arrange(consumers);
  }

  #take(id: string): InFlight | undefined {
    const message = this.#inFlight.get(id);
    if (!message) return undefined;
    this.#inFlight.delete(id);
    message.consumer.unacked.delete(id);
    return message;
  }

  #retryOrPark(message: InFlight): ToPark[] {
    const { maxRetryCount } = this.#limits;
    if (message.retries >= maxRetryCount) return [this.#park(message, `Reached retry count of ${maxRetryCount}`)];
    this.#queueOf(message).add(olderBy1(message));
    return [];
  }

  #requeue(message: InFlight): void {
    this.#take(message.message.id);
    this.#queueOf(message).add(olderBy1(message));
  }

  #park({ message, retries }: Held, reason: string): ToPark {
    const held = { message, retries };
    this.#parking.add(held);
    return { held, reason };
  }

  #settle({ message }: Held): void {
    if (message.replayed) this.#openReplays.delete(message.place);
    else this.#progress.settle(message.place);
  }

  #queueOf({ message }: Held): MessageQueue {
    return message.replayed ? this.#replays : this.#retries;
  }
}

const olderBy1 = ({ message, retries }: Held): Held => ({ message, retries: retries + 1 });
