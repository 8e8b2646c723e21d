import { admissionStream, agentStream, executionStream, taskStream } from '../../domain/ids.ts';
import type { LedgerSnapshot } from '../../domain/pool/ledger-snapshot.ts';
import { POOLS_VERSION, PoolsInUse } from '../../domain/pool/pools-in-use.ts';
import type { Position } from '../../eventstore/event-store.ts';
import type { FoldSnapshot } from '../fold-snapshots.ts';
import type { FoldDefinition, Term } from '../leader.ts';
import { OwnFold, type OwnFoldDeps } from '../own-fold.ts';

const foldFor = (tenant: string): FoldDefinition<PoolsInUse> => {
  const prefixes = [
    taskStream(tenant, ''),
    executionStream(tenant, ''),
    agentStream(tenant, ''),
    admissionStream(tenant, ''),
  ];
  return {
    name: 'pools',
    version: POOLS_VERSION,
    start: (snapshot) => new PoolsInUse(snapshot),
    wants: ({ stream }) => prefixes.some((prefix) => stream.startsWith(prefix)),
  };
};

/** Knows which pools are in use, in every process that serves them or accepts work for them (docs/adr/0023). */
export class PoolWatch {
  readonly #fold: OwnFold<PoolsInUse>;
  readonly #listeners = new Set<() => void>();
  /** Of each pool that came into use while this process was watching. */
  readonly #beginnings = new Map<string, FoldSnapshot<LedgerSnapshot>>();
  #pools: ReadonlySet<string> | undefined;

  constructor(deps: OwnFoldDeps) {
    this.#fold = new OwnFold({ fold: foldFor(deps.tenant), begin: (fold) => this.#termOf(fold) }, deps);
  }

  /** Undefined before it has caught up with the log. */
  get pools(): ReadonlySet<string> | undefined {
    return this.#pools;
  }

  /** Calls the listener when pools come into use or are no longer used. Returns how to end that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The ledger of a pool as it was when the pool came into use, so that who leads it first need not read what was before. Undefined when
   * it was in use before this process watched.
   */
  beginningOf(pool: string): FoldSnapshot<LedgerSnapshot> | undefined {
    return this.#beginnings.get(pool);
  }

  /** Runs until `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#fold.run(signal);
  }

  #termOf(fold: PoolsInUse): Term {
    let before: Position | undefined;
    let current: Position | undefined;
    fold.onNew = (pool) => {
      if (before === undefined) this.#beginnings.delete(pool);
      else this.#beginnings.set(pool, { position: before, state: fold.newLedger(pool).snapshot() });
    };
    return {
      admits: ({ position }) => {
        before = current;
        current = position;
        return true;
      },
      takeOver: () => this.#publish(fold),
      act: () => {
        this.#publish(fold);
        return 'nothing';
      },
    };
  }

  #publish(fold: PoolsInUse): void {
    const { pools } = fold;
    const known = this.#pools;
    if (known?.size === pools.length && pools.every((pool) => known.has(pool))) return;
    this.#pools = new Set(pools);
    for (const pool of this.#beginnings.keys()) if (!this.#pools.has(pool)) this.#beginnings.delete(pool);
    for (const listener of this.#listeners) listener();
  }
}
