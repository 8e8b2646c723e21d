import { type Stats, statSync } from 'node:fs';
import type { EventStoreDBClient } from '@eventstore/db-client';
import { badFile } from './format.ts';
import { type Batch, BatchBuilder, split } from './import-batches.ts';
import { readExport } from './import-file.ts';
import { finishStream } from './import-metadata.ts';
import type { Imported, Problem } from './import-outcome.ts';
import { newestOf, type RecordedEvent } from './raw-read.ts';
import { isTombstone, ownerOf } from './selection.ts';
import { MetadataHistory, StreamState } from './stream-ledger.ts';
import { type AppendAnswer, Target } from './target.ts';

/** Batches in flight: enough to keep a server busy, few enough to abandon without harm. */
const WINDOW = { appends: 128, bytes: 4 * 1024 * 1024 };

export type ImportOptions = {
  readonly file: string;
  /** Ends the import early; the same command goes on with it. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: {
    readonly bytes: number;
    readonly allBytes: number;
    readonly events: number;
  }) => void;
};

/**
 * Appends the events of an export in its order, with their ids and at their revisions. Events that the target already has are recognised;
 * different ones are reported and not touched. Then each stream gets its newest metadata, or its tombstone. Can be repeated at any time,
 * even after it was killed.
 * Errors: `AppError` for a file that is not an export; those of the client when the target is unreachable.
 */
export const importStreams = async (client: EventStoreDBClient, options: ImportOptions): Promise<Imported> => {
  const target = await Target.open(client);
  try {
    return await new Import(target, options).run();
  } finally {
    target.close();
  }
};

const statOf = (file: string): Stats => {
  const found = statSync(file);
  if (found.isDirectory()) throw badFile(file, 'is a folder; name a file');
  return found;
};

type InFlight = { readonly batch: Batch; readonly answer: Promise<AppendAnswer | { readonly error: unknown }> };

class Import {
  readonly #streams = new Map<string, StreamState>();
  readonly #problems: Problem[] = [];
  readonly #flight: InFlight[] = [];
  #flightBytes = 0;
  #batch: BatchBuilder | undefined;
  readonly #counts = { events: 0, written: 0, present: 0 };
  readonly #metadata = { written: 0, present: 0 };
  readonly #tombstones = { written: 0, present: 0 };
  #tornLine = false;
  readonly #target: Target;
  readonly #options: ImportOptions;

  constructor(target: Target, options: ImportOptions) {
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<Imported> {
    const { file, signal, onProgress } = this.#options;
    const { size: allBytes } = statOf(file);
    const onTorn = () => {
      this.#tornLine = true;
    };
    for await (const { event, end } of readExport(file, onTorn)) {
      if (signal?.aborted) break;
      await this.#take(event);
      onProgress?.({ bytes: end, allBytes, events: this.#counts.events });
    }
    await this.#send();
    while (this.#flight.length > 0) await this.#settleOldest();
    if (!signal?.aborted) await this.#finish();
    return this.#result();
  }

  async #take(event: RecordedEvent): Promise<void> {
    const owner = ownerOf(event.stream);
    if (owner !== undefined) {
      const state = this.#stateOf(owner);
      if (state.metadata) state.metadata.add(event);
      else state.metadata = new MetadataHistory(event);
      return;
    }
    const state = this.#stateOf(event.stream);
    if (isTombstone(event.revision)) {
      state.tombstoned = true;
      return;
    }
    this.#counts.events += 1;
    if (event.revision - state.shift !== state.next) state.shift = event.revision - state.next;
    if (this.#batch?.fits(event) === false) await this.#send();
    this.#batch ??= new BatchBuilder(event.stream, state.next);
    this.#batch.add(event);
    state.next += 1n;
  }

  #stateOf(stream: string): StreamState {
    const known = this.#streams.get(stream);
    if (known) return known;
    const state = new StreamState();
    this.#streams.set(stream, state);
    return state;
  }

  /** Sends the collected batch once there is room and it is certain to do no harm. */
  async #send(): Promise<void> {
    const batch = this.#batch;
    this.#batch = undefined;
    if (!batch) return;
    const state = this.#stateOf(batch.stream);
    while (state.inFlight > 0 && !maySendAhead(state, batch)) await this.#settleOldest();
    while (this.#flight.length >= WINDOW.appends || this.#flightBytes > WINDOW.bytes) await this.#settleOldest();
    if (state.stopped || state.deletedInTarget) return;
    state.inFlight += 1;
    this.#flightBytes += batch.bytes;
    const answer = this.#target.append(batch).catch((error: unknown) => ({ error }));
    this.#flight.push({ batch, answer });
  }

  async #settleOldest(): Promise<void> {
    const { batch, answer } = this.#flight.shift() as InFlight;
    const state = this.#stateOf(batch.stream);
    const answered = await answer;
    state.inFlight -= 1;
    this.#flightBytes -= batch.bytes;
    if ('error' in answered) throw answered.error;
    await this.#settle(state, batch, answered);
  }

  async #settle(state: StreamState, batch: Batch, answer: AppendAnswer): Promise<void> {
    switch (answer.kind) {
      case 'written':
        this.#counts.written += batch.events.length;
        state.atHead = true;
        return;
      case 'present':
        this.#counts.present += batch.events.length;
        state.end ??= (await newestOf(this.#target.client, batch.stream))?.revision ?? -1n;
        return;
      case 'behind':
        return this.#stop(state, wentBehind(batch, answer.last));
      case 'deleted':
        state.deletedInTarget = true;
        return;
      case 'differs':
        return this.#meetOther(state, batch, answer.actual);
      case 'tooLarge':
        if (batch.events.length === 1) return this.#stop(state, this.#refusal(batch, answer.message));
        return this.#appendParts(state, batch, Math.ceil(batch.events.length / 2));
      case 'denied':
        return this.#stop(state, this.#refusal(batch, answer.message));
    }
  }

  /** The stream ends within the batch, or has other events. */
  async #meetOther(state: StreamState, batch: Batch, actual: bigint): Promise<void> {
    const present = actual - batch.from + 1n;
    if (present > 0n && present < BigInt(batch.events.length)) return this.#appendParts(state, batch, Number(present));
    const difference = await this.#target.firstDifference(batch);
    const index = difference?.index ?? 0;
    this.#stop(state, {
      kind: 'conflict',
      stream: batch.stream,
      revision: batch.from + BigInt(index),
      fileId: batch.events[index]?.id,
      targetId: difference?.targetId,
      message:
        present > 0n
          ? 'the target has another event there'
          : `the target's stream ends at revision ${actual}, before the events to append`,
    });
  }

  async #appendParts(state: StreamState, batch: Batch, count: number): Promise<void> {
    for (const part of split(batch, count)) {
      if (state.stopped || state.deletedInTarget) return;
      await this.#settle(state, part, await this.#target.append(part));
    }
  }

  #refusal({ stream, from, events }: Batch, message: string): Problem {
    return { kind: 'refused', stream, revision: from, fileId: events[0]?.id, targetId: undefined, message };
  }

  #stop(state: StreamState, problem: Problem): void {
    if (!state.stopped) this.#problems.push(problem);
    state.stopped = true;
  }

  async #finish(): Promise<void> {
    for (const [stream, state] of this.#streams) {
      if (this.#options.signal?.aborted) return;
      if (state.stopped) continue;
      const done = await finishStream(this.#target, stream, state);
      if (done.problem) this.#stop(state, done.problem);
      if (done.metadata) this.#metadata[done.metadata] += 1;
      if (done.tombstone) this.#tombstones[done.tombstone] += 1;
    }
  }

  #result(): Imported {
    const renumbered = [...this.#streams]
      .filter(([, { shift }]) => shift !== 0n)
      .map(([stream, { shift }]) => ({ stream, by: shift }));
    return {
      ...this.#counts,
      streams: this.#streams.size,
      metadata: this.#metadata,
      tombstones: this.#tombstones,
      renumbered,
      problems: this.#problems,
      tornLine: this.#tornLine,
      complete: this.#options.signal?.aborted !== true,
    };
  }
}

/** Servers accept "no such stream" for a deleted stream, and only the answer shows it. */
const wentBehind = ({ stream, from, events }: Batch, last: bigint): Problem => {
  const first = last - BigInt(events.length) + 1n;
  const message = `the target had deleted events of its own: revisions ${from} to ${from + BigInt(events.length) - 1n} of the file became revisions ${first} to ${last} there`;
  return { kind: 'conflict', stream, revision: from, fileId: events[0]?.id, targetId: undefined, message };
};

/**
 * Whether a batch may be sent while others of its stream are in flight. If one of those were refused, this one must not be written
 * either. So: only if nothing can be written because the target has that revision, or if the target ends with what was just written.
 */
const maySendAhead = ({ atHead, end }: StreamState, { from, events }: Batch): boolean =>
  atHead || (end !== undefined && from + BigInt(events.length) - 1n <= end);
