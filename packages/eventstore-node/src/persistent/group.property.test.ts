import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type InFlight, SubscriptionGroup, type ToPark } from './group.ts';
import type { Consumer } from './message.ts';
import { STRATEGY_NAMES, type StrategyName } from './settings.ts';

type Step =
  | { readonly kind: 'append'; readonly count: number }
  | { readonly kind: 'connect'; readonly bufferSize: number }
  | { readonly kind: 'disconnect' | 'drain' | 'block'; readonly which: number }
  | { readonly kind: 'answer'; readonly which: number; readonly action: 'ack' | 'park' | 'retry' | 'skip' }
  | { readonly kind: 'store'; readonly ok: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'restart' };

const which = fc.nat(5);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constant('connect' as const), bufferSize: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constantFrom('disconnect', 'drain', 'block'), which }),
  fc.record({ kind: fc.constant('answer' as const), which, action: fc.constantFrom('ack', 'park', 'retry', 'skip') }),
  fc.record({ kind: fc.constant('answer' as const), which, action: fc.constant('ack' as const) }),
  fc.record({ kind: fc.constant('store' as const), ok: fc.boolean() }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 700 }) }),
  fc.record({ kind: fc.constant('restart' as const) }),
);

/** Some ids are there more than once: they come again, as events with the id of an earlier one may. */
const idOf = (place: number) => `e${place % 7 === 6 ? place - 3 : place}`;

/** Drives a group as the node does, with a log of numbered events, and looks at it from outside. */
class Bench {
  #group: SubscriptionGroup;
  #log = 0;
  #read = 0;
  #now = 0;
  #consumers: Consumer[] = [];
  #toPark: ToPark[] = [];
  /** What each consumer has, as a client would know it. */
  readonly #out = new Map<Consumer, InFlight[]>();
  /** Events that were acknowledged, skipped or parked at least once. */
  readonly dealtWith = new Set<number>();

  readonly #strategy: StrategyName;

  constructor(strategy: StrategyName) {
    this.#strategy = strategy;
    this.#group = this.#groupAt(-1);
  }

  do(step: Step): void {
    const consumer = 'which' in step ? this.#consumers[step.which % Math.max(1, this.#consumers.length)] : undefined;
    if (step.kind === 'append') this.#log += step.count;
    else if (step.kind === 'connect') this.#connect(step.bufferSize);
    else if (step.kind === 'restart') this.#restart();
    else if (step.kind === 'store') this.#store(step.ok);
    else if (step.kind === 'wait') this.#wait(step.ms);
    else if (step.kind === 'answer') this.#answer(consumer, step.action);
    else if (consumer && step.kind === 'disconnect') this.#disconnect(consumer);
    else if (consumer) consumer.accepting = step.kind === 'drain';
    this.#turn();
    this.#check();
  }

  /** Lets a willing client finish; everything must then be dealt with. */
  finish(): void {
    for (const consumer of [...this.#consumers]) this.#disconnect(consumer);
    this.#connect(3);
    for (let n = 0; n < 10 * this.#log && this.dealtWith.size < this.#log; n++) {
      this.#store(true);
      this.#answer(this.#consumers[0], 'ack');
      this.#turn();
      this.#check();
    }
    expect(this.dealtWith.size).toBe(this.#log);
    for (let n = 0; n < 10; n++) this.do({ kind: 'answer', which: 0, action: 'ack' });
    expect(this.#group.checkpoint.place).toBe(this.#log - 1);
    expect(this.#group.counts).toEqual({ fresh: 0, retries: 0, inFlight: 0, parking: 0 });
  }

  #groupAt(place: number): SubscriptionGroup {
    const strategy = this.#strategy;
    const limits = { maxRetryCount: 2, messageTimeoutMs: 1_000 };
    const sizes = { readBatchSize: 3, historyBufferSize: 8, liveBufferSize: 5 };
    return new SubscriptionGroup({ strategy, ...limits, ...sizes }, place);
  }

  #turn(): void {
    const group = this.#group;
    if (this.#read < this.#log && group.live && group.room === 0) group.fellBehind();
    for (let room = group.room; room > 0 && this.#read < this.#log; room--) this.#readOne();
    if (this.#read === this.#log) group.reachedEnd();
    group.dispatch(this.#now, 100, (sent) => this.#out.get(sent.consumer)?.push(sent));
  }

  #readOne(): void {
    const place = this.#read++;
    if (place % 5 === 4) {
      this.dealtWith.add(place);
      this.#group.passOver(place);
      return;
    }
    this.#group.add({ id: idOf(place), place, ordinal: place, bucket: place % 1024, replayed: false });
  }

  #connect(bufferSize: number): void {
    const consumer = this.#group.connect(bufferSize);
    this.#consumers.push(consumer);
    this.#out.set(consumer, []);
  }

  #disconnect(consumer: Consumer): void {
    this.#consumers = this.#consumers.filter((other) => other !== consumer);
    this.#out.delete(consumer);
    this.#group.disconnect(consumer);
  }

  #answer(consumer: Consumer | undefined, action: 'ack' | 'park' | 'retry' | 'skip'): void {
    const sent = consumer && this.#out.get(consumer)?.shift();
    if (!consumer || !sent) return;
    const { id } = sent.message;
    if (action === 'ack') for (const { message } of this.#group.ack([id])) this.dealtWith.add(message.place);
    else this.#toPark.push(...this.#group.nack(consumer, [id], action, ''));
    if (action === 'skip') this.dealtWith.add(sent.message.place);
  }

  #store(ok: boolean): void {
    const next = this.#toPark.shift();
    if (!next) return;
    if (!ok) {
      this.#group.parkFailed(next.held);
      return;
    }
    this.dealtWith.add(next.held.message.place);
    this.#group.parked(next.held);
  }

  #wait(ms: number): void {
    this.#now += ms;
    this.#toPark.push(...this.#group.expire(this.#now));
    for (const [consumer, sent] of this.#out) {
      this.#out.set(
        consumer,
        sent.filter(({ message, sentAt }) => consumer.unacked.has(message.id) && sentAt + 1_000 > this.#now),
      );
    }
  }

  /** As after a kill: only the checkpoint is left. */
  #restart(): void {
    const { place } = this.#group.checkpoint;
    this.#group = this.#groupAt(place);
    this.#read = place + 1;
    this.#consumers = [];
    this.#out.clear();
    this.#toPark = [];
  }

  #check(): void {
    const overfull = this.#consumers.filter(({ unacked, bufferSize }) => unacked.size > bufferSize);
    const misjudged = this.#consumers.filter((one) => this.#out.get(one)?.length !== one.unacked.size);
    const { checkpoint, counts } = this.#group;
    const passed = Array.from({ length: checkpoint.place + 1 }, (_, place) => place);
    const lost = passed.filter((place) => !this.dealtWith.has(place));
    expect({ overfull, misjudged, lost }).toEqual({ overfull: [], misjudged: [], lost: [] });
    expect(counts.fresh).toBeLessThanOrEqual(8);
  }
}

it.each(STRATEGY_NAMES)(
  '%s: whatever happens, no event is lost, and no checkpoint passes an open event',
  (strategy) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const bench = new Bench(strategy);
        for (const one of steps) bench.do(one);
        bench.finish();
      }),
      { numRuns: 300 },
    );
  },
);
