import type { StoredEvent } from '../../eventstore/event-store.ts';
import { type Decode, FoldError, type Operation, operationsOf } from './fold.ts';
import type { Member } from './member.ts';
import { blockOfOperation, blockOfStream, type ParkedEvent, parkedEvent, WAITS } from './parked.ts';
import { causeOf, foldOperations, isPoison, type Writer, writesOf } from './writer.ts';

/** Too many events of a projection are parked: it must stop. */
export class TooManyParked extends Error {
  override readonly name = 'TooManyParked';
  readonly #member: Member; // private, so that it is not logged
  constructor(member: Member) {
    super(
      `${member.parked} events are parked and another one could not be folded; fix the cause, then retry them or rebuild`,
    );
    this.#member = member;
  }

  get member(): Member {
    return this.#member;
  }
}

/** What a projection applies, and what it parks. */
export type Collected = { readonly operations: readonly Operation[]; readonly parked: readonly ParkedEvent[] };

export type PoisonOptions = {
  readonly decode: Decode;
  /** A projection with more parked events than this is broken as a whole, and halts. */
  readonly maxParked: number;
  /** The time of parking; ISO 8601 UTC. */
  readonly now: () => string;
};

/** Rows do not depend on each other: an event can be parked for one row and applied to the others. */
const byRow = (operations: readonly Operation[]): Map<string, Operation[]> => {
  const rows = new Map<string, Operation[]>();
  for (const operation of operations) {
    const block = blockOfOperation(operation);
    rows.set(block, [...(rows.get(block) ?? []), operation]);
  }
  return rows;
};

const checked = (member: Member, collected: Collected, { maxParked }: PoisonOptions): Collected => {
  if (collected.parked.length > 0 && member.parked + collected.parked.length > maxParked)
    throw new TooManyParked(member);
  return collected;
};

/**
 * The operations of a batch of events. Those on blocked rows and streams are parked.
 *
 * Errors: throws `FoldError`, `TooManyParked`.
 */
export const collect = (member: Member, events: readonly StoredEvent[], options: PoisonOptions): Collected => {
  const { blocks, projector, name } = member;
  if (blocks.size === 0)
    return { operations: events.flatMap((event) => operationsOf(projector, event, options.decode)), parked: [] };
  const operations: Operation[] = [];
  const parked: ParkedEvent[] = [];
  for (const event of events) {
    if (blocks.has(blockOfStream(event.stream))) {
      parked.push(parkedEvent(name, event, WAITS, options.now()));
      continue;
    }
    for (const [block, ofRow] of byRow(operationsOf(projector, event, options.decode))) {
      if (blocks.has(block)) parked.push(parkedEvent(name, event, WAITS, options.now(), ofRow[0]));
      else operations.push(...ofRow);
    }
  }
  return checked(member, { operations, parked }, options);
};

const refusal = async (
  writer: Writer,
  member: Member,
  operations: readonly Operation[],
): Promise<string | undefined> => {
  try {
    await writer.tryOut(writesOf(member.schema, await foldOperations(writer, member, operations)));
    return undefined;
  } catch (error) {
    if (!isPoison(error)) throw error;
    return causeOf(error);
  }
};

/**
 * Finds out which rows refuse the changes of one event; those are parked and blocked, the others can be applied. An event that cannot be
 * read at all is parked as a whole and blocks its stream.
 *
 * Errors: throws `TooManyParked`, and errors of the database.
 */
export const sortOut = async (
  writer: Writer,
  member: Member,
  event: StoredEvent,
  options: PoisonOptions,
): Promise<Collected> => {
  let all: readonly Operation[];
  try {
    all = operationsOf(member.projector, event, options.decode);
  } catch (error) {
    if (!(error instanceof FoldError)) throw error;
    member.blocks.add(blockOfStream(event.stream));
    const whole = parkedEvent(member.name, event, error.message, options.now());
    return checked(member, { operations: [], parked: [whole] }, options);
  }
  const operations: Operation[] = [];
  const parked: ParkedEvent[] = [];
  for (const [block, ofRow] of byRow(all)) {
    const cause = member.blocks.has(block) ? WAITS : await refusal(writer, member, ofRow);
    if (cause === undefined) operations.push(...ofRow);
    else {
      member.blocks.add(block);
      parked.push(parkedEvent(member.name, event, cause, options.now(), ofRow[0]));
    }
  }
  return checked(member, { operations, parked }, options);
};
