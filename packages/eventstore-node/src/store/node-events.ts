import type { Committer } from './committer.ts';
import type { Outcome, StreamChange } from './operations.ts';
import { nodeEvent } from './proposed-event.ts';

/** An event the node writes for itself. */
export type NodeEvent = {
  readonly streamName: string;
  readonly type: string;
  readonly json: boolean;
  readonly data: Buffer;
};

/** Appends them in one group: after a crash either all are there or none. Throws if that fails. */
export const appendNodeEvents = async (committer: Committer, events: readonly NodeEvent[]): Promise<void> => {
  const outcomes = await Promise.all(events.map((event) => append(committer, event)));
  for (const outcome of outcomes) {
    if (outcome.kind === 'failed') throw new Error(`the data folder cannot be written: ${outcome.message}`);
  }
};

const append = (committer: Committer, { streamName, type, json, data }: NodeEvent): Promise<Outcome> => {
  const events = [nodeEvent(type, data, json)];
  return submitForNode(committer, { kind: 'append', streamName, events, bytes: data.length });
};

/** A change the node makes for itself, regardless of the stream's state and without a deadline. */
export const submitForNode = (
  committer: Committer,
  change: Pick<StreamChange, 'kind' | 'streamName' | 'events' | 'bytes'>,
): Promise<Outcome> =>
  new Promise((settle) =>
    committer.submit({
      ...change,
      nameBytes: Buffer.from(change.streamName, 'utf8'),
      expected: 'any',
      deadlineMs: Number.POSITIVE_INFINITY,
      settle,
    }),
  );
