import { DamagedLog, LogFailure } from '../storage/log.ts';
import { createdAt } from '../storage/record.ts';
import { ChangeDecider } from './decide-change.ts';
import { decideMultiAppendIn } from './decide-multi-append.ts';
import type { EventStore } from './event-store.ts';
import { GroupBuilder } from './group-builder.ts';
import { GroupMemory } from './group-memory.ts';
import { GroupWriter, type Written } from './group-writer.ts';
import type { Operation, Unfinished } from './operations.ts';
import { RecentIds } from './recent-ids.ts';

/** A group takes operations up to about this size; a single larger one is still taken. */
const GROUP_BYTES = 4 * 1024 * 1024;
/** Waiting requests use at most about this much memory before senders are paused. */
const BACKLOG_BYTES = 32 * 1024 * 1024;
/** Room per operation for the events the node adds itself. */
const SLACK = 512;
const EXPIRY_CHECK_MS = 100;

type Decided = {
  readonly operation: Operation;
  /** Tells the caller what was decided. */
  readonly answer: () => void;
  settled: boolean;
};

type Group = {
  readonly builder: GroupBuilder;
  readonly decided: Decided[];
  readonly written: readonly Written[];
};

const TIMED_OUT: Unfinished = { kind: 'timedOut' };
const STOPPING: Unfinished = { kind: 'failed', cause: 'stopping', message: 'the node is shutting down' };

/**
 * The one writer. Operations that arrive while a group is being flushed form the next group: decided in order of
 * arrival, written together, made durable by one flush, and only then answered and shown to readers.
 */
export class Committer {
  readonly #recent = new RecentIds();
  readonly #memory = new GroupMemory();
  #queue: Operation[] = [];
  #backlog = 0;
  #waiting: (() => void)[] = [];
  #running: Promise<void> | undefined;
  #stopped = false;
  #flushing: readonly Decided[] = [];
  readonly #clockwork = setInterval(() => this.#expire(), EXPIRY_CHECK_MS).unref();

  readonly #store: EventStore;
  readonly #now: () => number;
  readonly #onCommitted: () => void;

  constructor(store: EventStore, now: () => number, onCommitted: () => void = () => {}) {
    this.#store = store;
    this.#now = now;
    this.#onCommitted = onCommitted;
  }

  submit(operation: Operation): void {
    if (this.#stopped) {
      operation.settle(STOPPING);
      return;
    }
    this.#queue.push(operation);
    this.#backlog += operation.bytes;
    this.#running ??= this.#run();
  }

  /** Whether senders should pause; `onceRoom` reports when they may continue. */
  get isFull(): boolean {
    return this.#backlog > BACKLOG_BYTES;
  }

  onceRoom(resume: () => void): void {
    this.#waiting.push(resume);
  }

  /** Commits the waiting operations, refuses later ones. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    clearInterval(this.#clockwork);
  }

  async #run(): Promise<void> {
    // Everything that is readable on the sockets now gets into the first group.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) await this.#commit(this.#form());
    this.#running = undefined;
  }

  #form(): Group {
    const operations = this.#take();
    const now = this.#now();
    const bytes = operations.reduce((sum, operation) => sum + operation.bytes + SLACK, 0);
    const builder = new GroupBuilder(this.#store.log.end, createdAt(now), bytes, this.#memory);
    this.#store.build(builder);
    const writer = new GroupWriter(this.#store, this.#recent, builder);
    const changes = new ChangeDecider(this.#store, writer);
    const decide = (operation: Operation) => decideSafely(operation, () => this.#decide(operation, changes, writer));
    const decided = operations.map((operation) => ({
      operation,
      answer: operation.deadlineMs < now ? () => operation.settle(TIMED_OUT) : decide(operation),
      settled: false,
    }));
    return { builder, decided, written: writer.written };
  }

  #decide(operation: Operation, changes: ChangeDecider, writer: GroupWriter): () => void {
    if (operation.kind === 'multiAppend') {
      const outcome = decideMultiAppendIn(this.#store, writer, operation);
      return () => operation.settle(outcome);
    }
    const outcome = changes.decide(operation);
    return () => operation.settle(outcome);
  }

  #take(): Operation[] {
    let bytes = 0;
    let count = 0;
    for (const operation of this.#queue) {
      if (count > 0 && bytes + operation.bytes > GROUP_BYTES) break;
      bytes += operation.bytes;
      count++;
    }
    const taken = count === this.#queue.length ? this.#queue : this.#queue.slice(0, count);
    this.#queue = count === this.#queue.length ? [] : this.#queue.slice(count);
    return taken;
  }

  async #commit(group: Group): Promise<void> {
    let failure: Unfinished | undefined;
    try {
      await this.#write(group);
    } catch (error) {
      this.#takeBack(group);
      failure = failureOf(error);
    }
    for (const decided of group.decided) this.#settle(decided, failure);
    this.#release(group.decided.map(({ operation }) => operation));
    if (group.written.length === 0) return;
    this.#store.wakeups.notify(group.written.map(({ streamName }) => streamName));
    this.#onCommitted();
  }

  async #write({ builder, decided }: Group): Promise<void> {
    if (builder.isEmpty) {
      this.#store.build(undefined);
      return;
    }
    const buffer = builder.finish();
    this.#flushing = decided;
    try {
      await this.#store.log.append(buffer);
    } finally {
      this.#flushing = [];
    }
    this.#store.publish(builder.start, buffer);
    this.#store.build(undefined);
  }

  /**
   * Should the disk hang, callers get their timeout nonetheless. Whether the events that are being flushed are kept is
   * open then; operations queued after them are not written.
   */
  #expire(): void {
    const now = this.#now();
    for (const decided of this.#flushing) if (decided.operation.deadlineMs < now) this.#settle(decided, TIMED_OUT);
    const isLate = ({ deadlineMs }: Operation) => deadlineMs < now;
    const late = this.#queue.filter(isLate);
    if (late.length === 0) return;
    this.#queue = this.#queue.filter((operation) => !isLate(operation));
    for (const operation of late) operation.settle(TIMED_OUT);
    this.#release(late);
  }

  #takeBack({ written }: Group): void {
    this.#store.build(undefined);
    this.#store.withdraw(written.map(({ stream }) => stream));
    for (const { stream, id } of written) this.#recent.forget(stream, id);
  }

  #settle(decided: Decided, failure: Unfinished | undefined): void {
    if (decided.settled) return;
    decided.settled = true;
    if (failure) decided.operation.settle(failure);
    else decided.answer();
  }

  #release(operations: readonly Operation[]): void {
    for (const { bytes } of operations) this.#backlog -= bytes;
    if (this.isFull) return;
    for (const resume of this.#waiting.splice(0)) resume();
  }
}

/** Recognising a repeat reads stored events, which may turn out to be damaged: that fails the one operation only. */
const decideSafely = (operation: Operation, decide: () => () => void): (() => void) => {
  try {
    return decide();
  } catch (error) {
    if (!(error instanceof DamagedLog)) throw error;
    const failure: Unfinished = { kind: 'failed', cause: 'broken', message: error.message };
    return () => operation.settle(failure);
  }
};

const failureOf = (error: unknown): Unfinished => {
  if (error instanceof LogFailure) return { kind: 'failed', cause: error.kind, message: error.message };
  throw error;
};
