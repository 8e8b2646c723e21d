import { DEFAULT_TENANT, idIn, isIn } from '../domain/ids.ts';
import type { LedgerEvent } from '../domain/pool/ledger-snapshot.ts';
import { Recomputation, type Recomputed } from '../domain/pool/recomputation.ts';
import { readEvent } from '../eventstore/codec.ts';
import type { EventStore, Position, StoredEvent } from '../eventstore/event-store.ts';
import { readLog } from './audit.ts';

export type RecomputedDecision = Recomputed & { readonly pool: string };

export type Recomputations = {
  /** Of the last event read. */
  readonly position: Position | undefined;
  readonly events: number;
  /** Events of this log that this build cannot read. */
  readonly unreadable: number;
  readonly counts: Readonly<Record<Recomputed['outcome'], number>>;
  /** Those that were asked for, at most `limit`, and how many more there are. */
  readonly decisions: readonly RecomputedDecision[];
  readonly more: number;
};

export type RecomputeOptions = {
  readonly to?: Position | undefined;
  /** Which decisions are counted. */
  readonly wants: (decision: Recomputed) => boolean;
  /** Which of them are returned. */
  readonly shows: (decision: Recomputed) => boolean;
  readonly limit: number;
  readonly onPosition: (position: Position) => void;
};

/** The pools that have a ledger, in the part of the log up to there. */
const poolsOf = async (store: EventStore, { to, onPosition }: RecomputeOptions): Promise<readonly string[]> => {
  const pools = new Set<string>();
  for await (const events of readLog(store, { to })) {
    for (const { stream } of events) {
      const pool = idIn('pool', DEFAULT_TENANT, stream);
      if (pool !== undefined) pools.add(pool);
    }
    for (const { position } of events.slice(-1)) onPosition(position);
  }
  return [...pools];
};

const placeOf = ({ position, recordedAt }: StoredEvent) => ({ position, recordedAt });

const CONCERN_LEDGERS = ['task', 'execution', 'agent', 'pool', 'admission'] as const;

/** Makes the decisions of all pools again, reading the log twice from its beginning: once for the pools, once for the events. */
export const recomputeLog = async (store: EventStore, options: RecomputeOptions): Promise<Recomputations> => {
  const { to, wants, shows, limit, onPosition } = options;
  const pools = new Map((await poolsOf(store, options)).map((pool) => [pool, new Recomputation(pool)]));
  const counts = { same: 0, different: 0, not_comparable: 0 };
  const decisions: RecomputedDecision[] = [];
  let position: Position | undefined;
  let events = 0;
  let unreadable = 0;
  let more = 0;
  const take = (stored: StoredEvent): void => {
    if (!CONCERN_LEDGERS.some((category) => isIn(category, stored.stream))) return;
    const event = readEvent(stored) as LedgerEvent | undefined;
    if (event === undefined) unreadable += 1;
    for (const [pool, recomputation] of pools) {
      if (event === undefined) recomputation.pass(stored.stream, stored.position);
      else
        for (const decision of recomputation.take({ event, ...placeOf(stored) }).filter(wants)) {
          counts[decision.outcome] += 1;
          if (!shows(decision)) continue;
          if (decisions.length < limit) decisions.push({ ...decision, pool });
          else more += 1;
        }
    }
  };
  for await (const page of readLog(store, { to })) {
    for (const stored of page) take(stored);
    events += page.length;
    position = page.at(-1)?.position;
    if (position !== undefined) onPosition(position);
  }
  return { position, events, unreadable, counts, decisions, more };
};
