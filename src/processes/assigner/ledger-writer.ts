import { poolStream } from '../../domain/ids.ts';
import { instantOf } from '../../domain/instant.ts';
import type { PoolEvent } from '../../domain/pool/events.ts';
import { encodeEvents, headAfter, type StreamHead } from '../../eventstore/codec.ts';
import { type EventStore, type NewEvent, type Position, RevisionConflict } from '../../eventstore/event-store.ts';
import type { Clock, Ids } from '../../platform/clock.ts';
import { Fenced } from '../leader.ts';

const ELECTION_TRIES = 5;

export type LedgerWriterDeps = {
  readonly tenant: string;
  readonly pool: string;
  readonly store: Pick<EventStore, 'append' | 'readStream'>;
  readonly clock: Clock;
  readonly ids: Ids;
};

/** The one writer of a pool's ledger, from its election until another's. The fence is the ledger's expected revision. */
export class LedgerWriter {
  readonly writerId: string;
  readonly actor: string;
  readonly #deps: LedgerWriterDeps;
  #head: StreamHead = headAfter([]);
  #electedAt: Position = 0n;

  private constructor(deps: LedgerWriterDeps) {
    this.#deps = deps;
    this.writerId = deps.ids.next();
    this.actor = `assigner:${this.writerId}`;
  }

  /**
   * Appends `PoolWriterElected`: from here on no earlier writer can append.
   *
   * Errors: throws `Fenced` when others keep being elected meanwhile.
   */
  static async elect(deps: LedgerWriterDeps): Promise<LedgerWriter> {
    const writer = new LedgerWriter(deps);
    for (let tries = 1; ; tries += 1) {
      try {
        await writer.#readHead();
        writer.#electedAt = await writer.#appendElection();
        return writer;
      } catch (error) {
        if (!(error instanceof Fenced) || tries >= ELECTION_TRIES) throw error;
      }
    }
  }

  get electedAt(): Position {
    return this.#electedAt;
  }

  /** Errors: throws `Fenced` when another writer has appended; otherwise what the store throws. Nobody then knows whether it was written. */
  async append(decided: readonly PoolEvent[], at: string): Promise<Position> {
    const events = this.#encode(decided, at);
    const position = await this.#append(events);
    this.#head = headAfter(events, this.#head);
    return position;
  }

  async #readHead(): Promise<void> {
    const [last] = await this.#deps.store.readStream(this.#stream, { direction: 'backwards', limit: 1 });
    this.#head = last ? { revision: last.revision, hash: last.metadata.hash } : headAfter([]);
  }

  #appendElection(): Promise<Position> {
    const { pool, clock } = this.#deps;
    const electedAt = instantOf(clock.now());
    return this.append([{ type: 'PoolWriterElected', data: { pool, writerId: this.writerId, electedAt } }], electedAt);
  }

  get #stream(): string {
    return poolStream(this.#deps.tenant, this.#deps.pool);
  }

  #encode(decided: readonly PoolEvent[], at: string): NewEvent[] {
    const { tenant, ids } = this.#deps;
    const commandId = ids.next();
    const context = { tenant, commandId, correlationId: commandId, causationId: commandId, actor: this.actor, at };
    return encodeEvents(this.#stream, context, decided, this.#head);
  }

  async #append(events: readonly NewEvent[]): Promise<Position> {
    try {
      return (await this.#deps.store.append(this.#stream, events, { expectedRevision: this.#head.revision })).position;
    } catch (error) {
      if (error instanceof RevisionConflict) throw new Fenced(error.message);
      throw error;
    }
  }
}
