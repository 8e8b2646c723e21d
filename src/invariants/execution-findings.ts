import type { Position, StoredEvent } from '../eventstore/event-store.ts';
import type { ExecutionEntry } from './execution-entry.ts';
import type { Sometimes } from './sometimes.ts';
import type { InvariantId, Violations } from './violations.ts';

/** What the books of executions find in the event that they are reading: violations, and situations that a campaign counts. */
export class ExecutionFindings {
  readonly seen = new Map<Sometimes, number>();
  readonly #violations: Violations;
  #event: StoredEvent | undefined;

  constructor(violations: Violations) {
    this.#violations = violations;
  }

  read(event: StoredEvent): void {
    this.#event = event;
  }

  get position(): Position {
    return this.#event?.position ?? -1n;
  }

  get commandId(): string | undefined {
    return this.#event?.metadata.commandId;
  }

  saw(situation: Sometimes): void {
    this.seen.set(situation, (this.seen.get(situation) ?? 0) + 1);
  }

  wrong(invariant: InvariantId, { executionId }: Pick<ExecutionEntry, 'executionId'>, what: string): void {
    this.#violations.add(invariant, `execution ${executionId}: ${what}`, this.position);
  }
}
