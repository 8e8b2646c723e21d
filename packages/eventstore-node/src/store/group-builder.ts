import { GROUP_HEADER, writeGroupHeader } from '../storage/group.ts';
import { type CreatedAt, type ProposedEvent, recordSizeBound, writeRecord } from '../storage/record.ts';
import { GroupMemory } from './group-memory.ts';

/** Collects the records of one group in the buffer that is then written. */
export class GroupBuilder {
  #buffer: Buffer;
  #used = GROUP_HEADER;
  #records = 0;

  /** Position the group will have in the log. */
  readonly start: number;
  readonly created: CreatedAt;
  readonly #memory: GroupMemory;

  constructor(start: number, created: CreatedAt, capacity: number, memory = new GroupMemory()) {
    this.start = start;
    this.created = created;
    this.#memory = memory;
    this.#buffer = memory.room(GROUP_HEADER + capacity);
  }

  get isEmpty(): boolean {
    return this.#records === 0;
  }

  /** Position after the last record so far. */
  get end(): number {
    return this.start + this.#used;
  }

  /** Writes one event and returns its position. */
  add(event: ProposedEvent, streamName: Buffer, revision: number): number {
    this.#reserve(recordSizeBound(event, streamName));
    const position = this.end;
    this.#used = writeRecord(this.#buffer, this.#used, event, {
      streamName,
      revision,
      position,
      created: this.created,
    });
    this.#records++;
    return position;
  }

  /** Bytes already written, for reading back a record of this same group. */
  read(position: number, length: number): Buffer {
    const from = position - this.start;
    return this.#buffer.subarray(from, Math.min(from + length, this.#used));
  }

  finish(): Buffer {
    const bodyLength = this.#used - GROUP_HEADER;
    writeGroupHeader(this.#buffer, { position: this.start, bodyLength, records: this.#records });
    this.#memory.keep(this.#used);
    return this.#buffer.subarray(0, this.#used);
  }

  #reserve(bytes: number): void {
    if (this.#buffer.length - this.#used >= bytes) return;
    const larger = this.#memory.room(this.#buffer.length * 2 + bytes);
    this.#buffer.copy(larger, 0, 0, this.#used);
    this.#buffer = larger;
  }
}
