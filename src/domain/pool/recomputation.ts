import { strategies } from '../routing/strategies.ts';
import type { Assignment, PoolEvent } from './events.ts';
import { PoolLedger } from './ledger.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';
import { LANES } from './matching.ts';

/** An event of the log, and where it is. */
type Logged = { readonly event: LedgerEvent; readonly position: bigint; readonly recordedAt?: string };
/** Of a type or version that this build does not know: what follows in that stream is missing to a writer, too. */
type Unreadable = { readonly stream: string; readonly position: bigint };

/** A value that was recorded and is another one now; undefined where there is none. */
export type Difference = { readonly field: string; readonly recorded: unknown; readonly computed: unknown };

/** What comes of a stored decision when it is made again. */
export type Recomputed = {
  readonly assignment: Assignment;
  /** Of the event that holds it. */
  readonly position: bigint;
  readonly assignedAt: string;
} & (
  | { readonly outcome: 'same' }
  | { readonly outcome: 'different'; readonly differences: readonly Difference[] }
  /** What the decision rested on is not in the log, or the policy that made it is not in this build. */
  | { readonly outcome: 'not_comparable'; readonly why: string }
);

type TasksAssigned = Extract<PoolEvent, { type: 'TasksAssigned' }>['data'];

/** Events that no decision has named yet. A writer is seldom behind by more than a few hundred; beyond this the older half counts as read. */
const MAX_UNREAD = 20_000;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const differencesOf = (recorded: unknown, computed: unknown, field = ''): Difference[] => {
  if (!isObject(recorded) || !isObject(computed))
    return Object.is(recorded, computed) ? [] : [{ field, recorded, computed }];
  const names = new Set([...Object.keys(recorded), ...Object.keys(computed)]);
  return [...names].flatMap((name) =>
    differencesOf(recorded[name], computed[name], field === '' ? name : `${field}.${name}`),
  );
};

/** As a writer that starts from a snapshot. */
export const copyOf = (ledger: PoolLedger): PoolLedger => {
  const saved = JSON.parse(JSON.stringify({ head: ledger.snapshot(), parts: ledger.takeParts('all') }));
  const copy = new PoolLedger(ledger.pool, saved.head);
  for (const part of saved.parts) copy.restorePart(part);
  return copy;
};

const apply = (ledger: PoolLedger, logged: Logged | Unreadable): void => {
  if ('event' in logged) ledger.evolve(logged.event, logged.recordedAt);
  else ledger.halt(logged.stream);
};

/** Why the decision cannot be made again; undefined when it can. */
const obstacle = ({ readTo }: TasksAssigned, { reason }: Assignment): string | undefined => {
  if (readTo === undefined) return 'it was recorded before decisions named the position up to which they had read';
  const { strategy, strategyVersion: version } = reason;
  const known = (strategies as Readonly<Record<string, { readonly version: number } | undefined>>)[strategy]?.version;
  if (known === version) return undefined;
  return `it was made by version ${version} of the policy ${strategy}; this build has ${known === undefined ? 'no such policy' : `version ${known}`}`;
};

/**
 * Makes the decisions of a pool again, from its log (requirements 2.1): for each it brings a ledger to the events that the decision had read,
 * and lets it choose. After a difference it goes on from what was recorded.
 */
export class Recomputation {
  readonly #pool: string;
  /** All events so far, in the order of the log: what a new writer starts from. */
  readonly #log: PoolLedger;
  /** What the present writer had read, and its own decisions. */
  #writer: PoolLedger;
  #unread: (Logged | Unreadable)[] = [];

  constructor(pool: string) {
    this.#pool = pool;
    this.#log = new PoolLedger(pool);
    this.#writer = new PoolLedger(pool);
  }

  /** Takes in the next event of the log; returns the decisions that it holds, made again. Events must come from the log's beginning on. */
  take(logged: Logged): readonly Recomputed[] {
    const { event, position } = logged;
    switch (event.type) {
      case 'PoolWriterElected':
        if (event.data.pool === this.#pool) this.#restart();
        return [];
      case 'AgentLoadsChanged':
      case 'BreakersChanged':
        if (event.data.pool !== this.#pool) return [];
        this.#read(BigInt(event.data.readTo));
        for (const ledger of [this.#writer, this.#log]) ledger.evolve(event);
        return [];
      case 'TasksAssigned':
        return event.data.pool === this.#pool ? this.#decideAgain(event, position) : [];
      default:
        this.#know(logged);
        return [];
    }
  }

  /** Takes in that the next event of the log cannot be read by this build. */
  pass(stream: string, position: bigint): void {
    this.#know({ stream, position });
  }

  #know(logged: Logged | Unreadable): void {
    apply(this.#log, logged);
    this.#unread.push(logged);
    if (this.#unread.length > MAX_UNREAD) this.#read(this.#unread[MAX_UNREAD / 2]?.position ?? logged.position);
  }

  #decideAgain(event: Extract<PoolEvent, { type: 'TasksAssigned' }>, position: bigint): readonly Recomputed[] {
    const { assignments, readTo, places, assignedAt } = event.data;
    this.#read(readTo === undefined ? position : BigInt(readTo));
    for (const lane of LANES) this.#writer.places.limit(lane, places?.[lane]);
    // A delay ends by the writer's clock, from when it first looked at the attempt. That is not in the log; that it was over by then, is.
    const due = assignments.map(({ taskId }) => taskId);
    const computed = this.#writer.assign(Date.parse(assignedAt), assignments.length, due);
    this.#writer.recorded(computed);
    this.#log.evolve(event);
    const recomputed = assignments.map((assignment, index): Recomputed => {
      const made = { assignment, position, assignedAt };
      const why = obstacle(event.data, assignment);
      if (why !== undefined) return { ...made, outcome: 'not_comparable', why };
      const differences = differencesOf(assignment, computed[index] ?? {});
      return differences.length === 0 ? { ...made, outcome: 'same' } : { ...made, outcome: 'different', differences };
    });
    if (recomputed.some(({ outcome }) => outcome !== 'same')) this.#restart();
    return recomputed;
  }

  #restart(): void {
    this.#writer = copyOf(this.#log);
    this.#unread = [];
  }

  /** The writer learns of the events up to there. */
  #read(position: bigint): void {
    const after = this.#unread.findIndex((logged) => logged.position > position);
    for (const logged of this.#unread.splice(0, after === -1 ? this.#unread.length : after))
      apply(this.#writer, logged);
  }
}
