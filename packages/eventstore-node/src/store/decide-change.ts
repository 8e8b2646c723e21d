import { randomUUID } from 'node:crypto';
import { metastreamOf, metastreamTarget } from '../index/stream-names.ts';
import { type ProposedEvent, TOMBSTONE_REVISION } from '../storage/record.ts';
import { type AppendDecision, decideAppend } from './append-rules.ts';
import type { EventStore } from './event-store.ts';
import type { GroupWriter } from './group-writer.ts';
import type { Outcome, StreamChange } from './operations.ts';
import { nodeEvent } from './proposed-event.ts';
import { SOFT_DELETE_DATA } from './stream-metadata.ts';

const WRONG_NO_STREAM = { kind: 'wrongExpectedVersion', current: -1 } as const;

/** Decides changes of one stream against everything decided before them and puts what they write into the group. */
export class ChangeDecider {
  readonly #store: EventStore;
  readonly #group: GroupWriter;

  constructor(store: EventStore, group: GroupWriter) {
    this.#store = store;
    this.#group = group;
  }

  decide(change: StreamChange): Outcome {
    const { streamName } = change;
    if (change.kind === 'delete' && this.#isUnknown(streamName)) return WRONG_NO_STREAM;
    const ids = change.kind === 'append' ? change.events.map(({ id }) => id) : [randomUUID()];
    const decision = decideAppend(this.#group.factsOf(streamName), change.expected, ids);
    if (decision.kind !== 'write') return this.#refusedOrKnown(streamName, decision);
    if (change.kind === 'delete') return this.#softDelete(streamName);
    if (change.kind === 'tombstone') return this.#tombstone(change);
    return this.#append(change);
  }

  /** An append of no events is after the newest event of all. */
  #append({ streamName, nameBytes, events }: StreamChange): Outcome {
    const group = this.#group;
    if (events.length === 0) return { kind: 'done', revision: group.lastRevision(streamName), position: group.head };
    this.#store.index.intern(streamName, events.length);
    const first = group.lastRevision(streamName) + 1;
    const revival = group.revival(streamName);
    let position = 0;
    for (let i = 0; i < events.length; i++) {
      position = group.write(streamName, nameBytes, events[i] as ProposedEvent, first + i);
    }
    revival?.revive();
    return { kind: 'done', revision: first + events.length - 1, position };
  }

  #softDelete(streamName: string): Outcome {
    if (this.#store.isTombstoned(metastreamOf(streamName), 'pending')) return { kind: 'streamDeleted' };
    const position = this.#group.writeMetadata(streamName, SOFT_DELETE_DATA);
    return { kind: 'done', revision: this.#group.lastRevision(streamName), position };
  }

  #tombstone({ streamName, nameBytes }: StreamChange): Outcome {
    const event = nodeEvent('$streamDeleted', Buffer.alloc(0), false);
    const position = this.#group.write(streamName, nameBytes, event, TOMBSTONE_REVISION);
    return { kind: 'done', revision: TOMBSTONE_REVISION, position };
  }

  #refusedOrKnown(streamName: string, decision: Exclude<AppendDecision, { kind: 'write' }>): Outcome {
    if (decision.kind === 'wrongExpectedVersion') return { ...decision, current: this.#group.lastRevision(streamName) };
    if (decision.kind === 'streamDeleted') return decision;
    const { index } = this.#store;
    const stream = index.find(streamName) as number;
    const ordinal = index.ordinal(stream, decision.lastRevision);
    const position = this.#isReadable(streamName, decision.lastRevision, ordinal)
      ? index.positions.get(ordinal)
      : undefined;
    return { kind: 'done', revision: decision.lastRevision, position };
  }

  /** Whether the stream's metadata, or that it is a metastream, does not hide the event. */
  #isReadable(streamName: string, revision: number, ordinal: number): boolean {
    const last = this.#group.lastRevision(streamName);
    if (metastreamTarget(streamName) !== undefined) return revision === last;
    const { softDeleted, truncateBefore, maxCount, maxAgeMs } = this.#store.metadata(streamName, 'pending');
    if (softDeleted || revision < truncateBefore) return false;
    if (maxCount !== undefined && revision <= last - maxCount) return false;
    return maxAgeMs === undefined || this.#store.record(ordinal).createdMs >= this.#group.createdMs - maxAgeMs;
  }

  #isUnknown(streamName: string): boolean {
    return (
      !this.#store.isTombstoned(streamName, 'pending') &&
      this.#group.lastRevision(streamName) < 0 &&
      this.#group.lastRevision(metastreamOf(streamName)) < 0
    );
  }
}
