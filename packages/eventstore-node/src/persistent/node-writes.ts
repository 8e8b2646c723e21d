import { GrpcError, Status } from '../grpc/status.ts';
import { metastreamOf } from '../index/stream-names.ts';
import type { ProposedEvent } from '../storage/record.ts';
import type { Committer } from '../store/committer.ts';
import { submitForNode } from '../store/node-events.ts';
import type { Outcome } from '../store/operations.ts';
import { nodeEvent } from '../store/proposed-event.ts';
import { failureCode, streamDeleted } from '../wire/write-errors.ts';

/** What the node itself writes to streams, through the one writer. Each method resolves once that is durable. */
export class NodeWrites {
  readonly #committer: Committer;

  constructor(committer: Committer) {
    this.#committer = committer;
  }

  /** Resolves with the event's position. Errors: `GrpcError` if it could not be written. */
  async append(streamName: string, event: ProposedEvent): Promise<number> {
    const outcome = await submitForNode(this.#committer, {
      kind: 'append',
      streamName,
      events: [event],
      bytes: event.source.length,
    });
    if (outcome.kind === 'done' && outcome.position !== undefined) return outcome.position;
    throw writeError(streamName, outcome);
  }

  async setMetadata(streamName: string, metadata: Readonly<Record<string, number>>): Promise<void> {
    await this.append(metastreamOf(streamName), nodeEvent('$metadata', jsonData(metadata), true));
  }

  /** Soft-deletes the stream; does nothing if it never existed. */
  async delete(streamName: string): Promise<void> {
    const outcome = await submitForNode(this.#committer, { kind: 'delete', streamName, events: [], bytes: 0 });
    if (outcome.kind === 'failed') throw writeError(streamName, outcome);
  }
}

export const jsonData = (value: unknown): Buffer => Buffer.from(JSON.stringify(value), 'utf8');

const writeError = (streamName: string, outcome: Outcome): GrpcError => {
  if (outcome.kind === 'failed') return new GrpcError(failureCode(outcome), outcome.message);
  if (outcome.kind === 'streamDeleted') return streamDeleted(streamName);
  return new GrpcError(Status.internal, `stream ${streamName} could not be written: ${outcome.kind}`);
};
