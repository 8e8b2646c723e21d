import type { Revision, StoredEvent } from '../eventstore/event-store.ts';
import type { Violations } from './violations.ts';

/** Where the events of a command are, and the fingerprint of its body. */
export type CommandRecord = {
  readonly tenant: string;
  readonly stream: string;
  readonly first: Revision;
  last: Revision;
  readonly fingerprint: string | undefined;
  /** Type and subject of its events: a command emits no two of the same. */
  readonly emitted: Set<string>;
};

/** What an event is about, in a stream that holds several things. */
const subjectOf = ({ data }: StoredEvent): string => {
  const { taskId, stepId, unit } = (data ?? {}) as Readonly<Record<string, unknown>>;
  return String(taskId ?? stepId ?? unit ?? '');
};

/**
 * S9, S10, S17 and the log's half of S18: an event id is used once; a command is one append to one stream of its tenant, with one body.
 */
export class AppendIdentity {
  readonly commands = new Map<string, CommandRecord>();
  readonly #violations: Violations;
  readonly #ids = new Set<string>();

  constructor(violations: Violations) {
    this.#violations = violations;
  }

  take(event: StoredEvent): void {
    const { id, stream, position, metadata } = event;
    const { tenant, commandId } = metadata;
    if (this.#ids.has(id)) this.#violations.add('S10', `event id ${id} is used twice`, position);
    this.#ids.add(id);
    if (!stream.slice(stream.indexOf('-') + 1).startsWith(`${tenant}.`))
      this.#violations.add('S17', `stream ${stream} holds an event of tenant ${tenant}`, position);
    const record = this.commands.get(commandId);
    if (record) this.#continue(record, event);
    else this.commands.set(commandId, this.#begin(event));
  }

  #begin(event: StoredEvent): CommandRecord {
    const { stream, revision, metadata } = event;
    return {
      tenant: metadata.tenant,
      stream,
      first: revision,
      last: revision,
      fingerprint: metadata.fingerprint,
      emitted: new Set([`${event.type} ${subjectOf(event)}`]),
    };
  }

  #continue(record: CommandRecord, event: StoredEvent): void {
    const { stream, revision, position, metadata, type } = event;
    const { commandId } = metadata;
    const emitted = `${type} ${subjectOf(event)}`;
    if (record.stream !== stream || revision !== record.last + 1n)
      this.#violations.add(
        'S9',
        `command ${commandId} was carried out twice: at ${record.stream} ${record.first} and at ${stream} ${revision}`,
        position,
      );
    else if (record.emitted.has(emitted))
      this.#violations.add('S9', `command ${commandId} emitted ${type} twice in ${stream}`, position);
    if (record.fingerprint !== metadata.fingerprint)
      this.#violations.add('S18', `command ${commandId} is recorded with two different bodies`, position);
    record.emitted.add(emitted);
    if (record.stream === stream) record.last = revision;
  }
}
