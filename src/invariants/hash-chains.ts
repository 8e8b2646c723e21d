import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Revision, StoredEvent } from '../eventstore/event-store.ts';
import type { Violations } from './violations.ts';

const GENESIS = '0'.repeat(64);

type Head = { readonly revision: Revision; readonly hash: string };

/** S22, from the written definition of the chain and not from the code that builds it (docs/adr/0007). */
const hashOf = ({ stream, revision, id, type, data, metadata: { hash: _, ...metadata } }: StoredEvent): string => {
  const form = canonicalize({ stream, revision: String(revision), id, type, data, metadata });
  return createHash('sha256')
    .update(form ?? '')
    .digest('hex');
};

/** The chain of every stream: each event has the next revision, the hash of the event before it, and the hash of its own content. */
export class HashChains {
  readonly #violations: Violations;
  readonly #heads = new Map<string, Head>();

  constructor(violations: Violations) {
    this.#violations = violations;
  }

  take(event: StoredEvent): void {
    const { stream, revision, position, type } = event;
    const head = this.#heads.get(stream);
    const wrong = (what: string): void =>
      this.#violations.add('S22', `${type} at revision ${revision} of ${stream} ${what}`, position);
    const expected = head === undefined ? 0n : head.revision + 1n;
    if (revision !== expected) wrong(`comes where revision ${expected} is expected`);
    if (event.metadata.prevHash !== (head?.hash ?? GENESIS)) wrong('does not carry the hash of the event before it');
    if (event.metadata.hash !== hashOf(event)) wrong('carries a hash that its content does not have');
    this.#heads.set(stream, { revision, hash: event.metadata.hash });
  }
}
