import { expect, it } from 'vitest';
import { type RunningNode, startEventStoreNode } from '../src/index.ts';
import type { Fields } from './proto.ts';
import { type Expectation, MAX_I64, type Outcome, RawStreams, RPCS, read } from './raw-streams.ts';
import { startNode, temporaryFolder } from './support.ts';

/** More of them: EVENTSTORE_NODE_HISTORIES=5000; another run: EVENTSTORE_NODE_SEED=7. */
const HISTORIES = Number(process.env['EVENTSTORE_NODE_HISTORIES'] ?? 80);
const SEED = Number(process.env['EVENTSTORE_NODE_SEED'] ?? 1);
const STEPS = 25;

type Metadata = {
  readonly maxCount?: bigint | undefined;
  readonly tb?: bigint | undefined;
};

type Stored = {
  readonly id: string;
  /** Of events in metastreams. */
  readonly metadata?: Metadata | undefined;
};

type Result = { done: bigint; hasPosition: boolean } | { wrong: bigint } | { deleted: true };

/** The rules of streams as the protocol sheet tells them, with nothing but lists of ids. */
class Model {
  readonly #streams = new Map<string, Stored[]>();
  readonly #tombstones = new Set<string>();
  #recent = new Map<string, Map<string, number>>();
  /** All events in order, as `revision@stream`. */
  readonly all: string[] = [];
  #fresh = 0;

  restart(): void {
    this.#recent = new Map();
  }

  append(stream: string, expected: Expectation, events: Stored[]): Result {
    const refusal = this.#check(
      stream,
      expected,
      events.map(({ id }) => id),
    );
    if (refusal) return refusal;
    const wasDeleted = this.#isDeleted(stream);
    const target = stream.startsWith('$$') ? stream.slice(2) : undefined;
    const targetWasDeleted = target !== undefined && this.#isDeleted(target);
    const first = this.#head(stream) + 1n;
    for (const event of events) this.#push(stream, event);
    if (events.length > 0 && wasDeleted) this.#pushMetadata(stream, { ...this.#metadata(stream), tb: first });
    if (events.length > 0 && targetWasDeleted) {
      this.#pushMetadata(target, { ...this.#metadata(target), tb: this.#head(target) + 1n });
    }
    return { done: first - 1n + BigInt(events.length), hasPosition: true };
  }

  delete(stream: string, expected: Expectation): Result {
    const unknown = this.#head(stream) < 0n && this.#head(`$$${stream}`) < 0n && !this.#isTombstoned(stream);
    if (unknown) return { wrong: -1n };
    const refusal = this.#check(stream, expected, [`fresh ${this.#fresh++}`]);
    if (refusal) return refusal;
    if (this.#isTombstoned(`$$${stream}`)) return { deleted: true };
    this.#pushMetadata(stream, { tb: MAX_I64 });
    return { done: -1n, hasPosition: true };
  }

  tombstone(stream: string, expected: Expectation): Result {
    const refusal = this.#check(stream, expected, [`fresh ${this.#fresh++}`]);
    if (refusal) return refusal;
    this.#tombstones.add(stream);
    this.all.push(`${MAX_I64}@${stream}`);
    return { done: -1n, hasPosition: true };
  }

  /** Revisions a reader gets. */
  readable(stream: string): bigint[] | 'deleted' | 'not found' {
    if (this.#isTombstoned(stream)) return 'deleted';
    const head = this.#head(stream);
    if (head < 0n || this.#isDeleted(stream)) return 'not found';
    const revisions: bigint[] = [];
    for (let revision = 0n; revision <= head; revision++)
      if (this.#isReadable(stream, revision)) revisions.push(revision);
    return revisions;
  }

  #check(stream: string, expected: Expectation, ids: string[]): Result | undefined {
    const head = this.#head(stream);
    const wrong = { wrong: head };
    if (this.#isTombstoned(stream)) return { deleted: true };
    if (expected === 'stream_exists') {
      if (this.#isDeleted(stream)) return { deleted: true };
      if (head < 0n && this.#head(`$$${stream}`) < 0n) return wrong;
    }
    if (expected === 'any' || expected === 'stream_exists') return this.#checkRecent(stream, ids);
    const behind = expected === 'no_stream' ? -1n : expected;
    if (behind > head) return wrong;
    if (behind === head) return undefined;
    const stored = this.#streams.get(stream) ?? [];
    const same = ids.map((id, i) => stored[Number(behind) + 1 + i]?.id === id);
    if (ids.length === 0) return wrong;
    if (same.every(Boolean)) return this.#repeated(stream, behind + BigInt(ids.length));
    return !same[0] && expected === 'no_stream' && this.#isDeleted(stream) ? undefined : wrong;
  }

  #checkRecent(stream: string, ids: string[]): Result | undefined {
    const known = this.#recent.get(stream);
    const revisions = ids.map((id) => known?.get(id));
    if (revisions[0] === undefined) return undefined;
    if (revisions.includes(undefined)) return { wrong: this.#head(stream) };
    return this.#repeated(stream, BigInt(revisions.at(-1) as number));
  }

  #repeated(stream: string, revision: bigint): Result {
    return { done: revision, hasPosition: !this.#isDeleted(stream) && this.#isReadable(stream, revision) };
  }

  #isReadable(stream: string, revision: bigint): boolean {
    const head = this.#head(stream);
    if (stream.startsWith('$$')) return revision === head;
    const { tb = 0n, maxCount } = this.#metadata(stream);
    return revision >= tb && (maxCount === undefined || revision > head - maxCount);
  }

  #push(stream: string, event: Stored): void {
    const stored = this.#streams.get(stream) ?? [];
    this.#streams.set(stream, stored);
    stored.push(event);
    const known = this.#recent.get(stream) ?? new Map();
    this.#recent.set(stream, known.set(event.id, stored.length - 1));
    this.all.push(`${stored.length - 1}@${stream}`);
  }

  #pushMetadata(stream: string, metadata: Metadata): void {
    this.#push(`$$${stream}`, { id: `fresh ${this.#fresh++}`, metadata });
  }

  #head(stream: string): bigint {
    return BigInt((this.#streams.get(stream)?.length ?? 0) - 1);
  }

  #metadata(stream: string): Metadata {
    if (stream.startsWith('$$') || this.#tombstones.has(`$$${stream}`)) return {};
    return this.#streams.get(`$$${stream}`)?.at(-1)?.metadata ?? {};
  }

  #isDeleted(stream: string): boolean {
    return this.#metadata(stream).tb === MAX_I64;
  }

  #isTombstoned(stream: string): boolean {
    return this.#tombstones.has(stream) || (stream.startsWith('$$') && this.#tombstones.has(stream.slice(2)));
  }
}

/** Seeded; the usual 32-bit mixing. */
const randomFrom = (seed: number) => {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return { below, pick: <T>(list: readonly T[]): T => list[below(list.length)] as T };
};

type Random = ReturnType<typeof randomFrom>;

/** One random history of a few streams of its own, in the model and in the node. */
class History {
  readonly model = new Model();
  readonly steps: string[] = [];
  readonly #streams: string[];
  readonly #name: string;
  readonly #random: Random;

  constructor(name: string, random: Random) {
    this.#name = name;
    this.#random = random;
    this.#streams = [`${name}-a`, `${name}-b`, `$${name}-c`];
  }

  async step(raw: RawStreams): Promise<void> {
    const random = this.#random;
    const stream = random.pick(this.#streams);
    const kind = random.below(20);
    if (kind < 10)
      await this.#append(
        raw,
        stream,
        Array.from({ length: random.below(4) }, () => ({ id: this.#someId() })),
      );
    else if (kind < 15) await this.#setMetadata(raw, `$$${stream}`);
    else if (kind < 19) await this.#remove(raw, 'Delete', random.below(8) === 0 ? `$$${stream}` : stream);
    else await this.#remove(raw, 'Tombstone', random.below(5) === 0 ? `$$${stream}` : stream);
    await Promise.all([stream, `$$${stream}`].map((touched) => this.#compareReads(raw, touched)));
  }

  async compareAll(raw: RawStreams): Promise<void> {
    const { messages } = await raw.read(read.all(), read.count(10n ** 9n), read.noFilter, read.textIds);
    const events = messages.map((answer) => answer.message(1)?.message(1) as Fields);
    const own = events
      .map((event) => `${event.number(3)}@${event.message(2)?.text(3)}`)
      .filter((entry) => entry.includes(`@${this.#name}-`) || entry.includes(`$${this.#name}-`));
    expect(own, this.#told()).toEqual(this.model.all);
  }

  async #append(raw: RawStreams, stream: string, events: { id: string }[]): Promise<void> {
    const expected = this.#someExpectation();
    const rpc = this.#random.pick(RPCS);
    const result = this.model.append(stream, expected, events);
    const outcome = await raw.append(rpc, stream, expected, events);
    this.#compare(`${rpc} ${stream} ${expected} ${events.map(({ id }) => id.slice(-1))}`, result, outcome);
  }

  async #setMetadata(raw: RawStreams, metastream: string): Promise<void> {
    const [data, metadata] = this.#random.pick<[string, Metadata]>([
      ['{"$maxCount":1}', { maxCount: 1n }],
      ['{"$maxCount":2,"x":[{"$tb":9}]}', { maxCount: 2n }],
      ['{"$tb":2}', { tb: 2n }],
      [' { "$tb" : 1 , "$maxCount" : 3 } ', { tb: 1n, maxCount: 3n }],
      ['{"$tb":9223372036854775807}', { tb: MAX_I64 }],
      ['{}', {}],
      ['no json', {}],
      ['{"$tb":-1}', {}],
    ]);
    const id = this.#someId();
    const expected = this.#someExpectation();
    const result = this.model.append(metastream, expected, [{ id, metadata }]);
    const outcome = await raw.append('Append', metastream, expected, [{ id, type: '$metadata', data }]);
    this.#compare(`set ${metastream} ${expected} ${data} ${id.slice(-1)}`, result, outcome);
  }

  async #remove(raw: RawStreams, rpc: 'Delete' | 'Tombstone', stream: string): Promise<void> {
    const expected = this.#someExpectation();
    if (rpc === 'Delete' && stream.startsWith('$$')) return;
    const result = rpc === 'Delete' ? this.model.delete(stream, expected) : this.model.tombstone(stream, expected);
    this.#compare(`${rpc} ${stream} ${expected}`, result, await raw.delete(rpc, stream, expected));
  }

  #compare(step: string, result: Result, outcome: Outcome): void {
    this.steps.push(
      `${step} -> ${JSON.stringify(outcome, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))}`,
    );
    const seen: unknown =
      'done' in outcome
        ? { done: outcome.done, hasPosition: outcome.position !== undefined }
        : 'wrong' in outcome
          ? { wrong: outcome.wrong }
          : 'deleted' in outcome
            ? { deleted: true }
            : outcome;
    expect(seen, this.#told()).toEqual(result);
  }

  async #compareReads(raw: RawStreams, stream: string): Promise<void> {
    for (const direction of [[read.stream(stream)], [read.stream(stream, read.end), read.backwards]]) {
      const { messages, status } = await raw.read(...direction, read.count(), read.noFilter, read.textIds);
      const seen =
        status !== 0
          ? 'deleted'
          : messages[0]?.has(4)
            ? 'not found'
            : messages.map((answer) => answer.message(1)?.message(1)?.number(3));
      const expected = this.model.readable(stream);
      const ordered = Array.isArray(expected) && direction.length > 1 ? expected.toReversed() : expected;
      expect(seen, `${this.#told()}\nread ${stream}`).toEqual(ordered);
    }
  }

  #told(): string {
    return `seed ${SEED}, history ${this.#name}:\n${this.steps.join('\n')}`;
  }

  #someId(): string {
    return `00000000-0000-4000-8000-00000000000${(this.#random.below(7) + 1).toString(16)}`;
  }

  #someExpectation(): Expectation {
    const random = this.#random;
    return random.pick<Expectation>([
      'any',
      'any',
      'no_stream',
      'stream_exists',
      BigInt(random.below(4)),
      BigInt(random.below(8)),
    ]);
  }
}

it(`random histories follow the rules (${HISTORIES})`, async () => {
  const { node } = await startNode();
  const raw = new RawStreams(node.port);
  const random = randomFrom(SEED);
  for (let i = 0; i < HISTORIES; i++) {
    const history = new History(`h${i}`, random);
    for (let step = 0; step < STEPS; step++) await history.step(raw);
    if (i % 20 === 0) await history.compareAll(raw);
  }
}, 600_000);

it('random histories follow the rules when the node restarts in the middle', async () => {
  const dataDir = await temporaryFolder();
  const random = randomFrom(SEED + 1);
  const histories = Array.from({ length: Math.ceil(HISTORIES / 15) }, (_, i) => new History(`r${i}`, random));
  let node: RunningNode | undefined;
  for (let round = 0; round < 6; round++) {
    node = await startEventStoreNode({ dataDir });
    const raw = new RawStreams(node.port);
    for (const history of histories) {
      if (round > 0) history.model.restart();
      history.steps.push('restart');
      for (let step = 0; step < STEPS / 5; step++) await history.step(raw);
      await history.compareAll(raw);
    }
    await node.stop();
  }
}, 600_000);
