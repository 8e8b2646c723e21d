import type pg from 'pg';
import type { Member } from './fleet.ts';

/** What a client of the fault campaigns is answered. */
export type Answer = {
  readonly data?: Record<string, Record<string, unknown> | null>;
  readonly errors?: readonly { readonly message?: string; readonly extensions?: { readonly code?: string } }[];
};

/** How long a client waits for its answer. */
export const PATIENCE_MS = 15_000;

const MAY_BE_REPEATED = new Set(['UNAVAILABLE', 'CONFLICT', 'TIMEOUT']);

/** Whether the answer leaves the outcome open, so that the client repeats the call under its key. */
export const leavesOutcomeOpen = ({ errors }: Answer): boolean =>
  MAY_BE_REPEATED.has(errors?.[0]?.extensions?.code ?? '');

/** The running processes of a fleet, as its clients and its killers see them. */
export class FaultFleet {
  readonly members: Member[] = [];
  readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.random();
  }

  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[Math.floor(this.random() * items.length)];
  }

  running(role: string): Member[] {
    return this.members.filter((member) => member.role === role && member.running);
  }

  /**
   * One that runs and was killed least, so that every process of a role has its turn: whoever leads is among them, however the dice fall.
   */
  victim(role: string): Member | undefined {
    const running = this.running(role);
    const least = Math.min(...running.map(({ kills }) => kills));
    return this.pick(running.filter(({ kills }) => kills === least));
  }

  get kills(): number {
    return this.members.reduce((sum, member) => sum + member.kills, 0);
  }

  /** One call to any of the api processes. Throws when none runs, or the one that was asked is killed. */
  async graphql(query: string, variables: object, patienceMs = PATIENCE_MS): Promise<Answer> {
    const url = this.pick(this.running('api'))?.url;
    if (url === undefined) throw new Error('no api process runs');
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(Math.ceil(patienceMs)),
    });
    return (await response.json()) as Answer;
  }
}

/** A condition for `until`: every read model has handled the log up to this position. */
export const caughtUp = async (database: pg.Pool, head: bigint): Promise<true | string> => {
  const { rows } = await database.query('SELECT name, position::text FROM baton.checkpoints WHERE position < $1', [
    head.toString(),
  ]);
  return rows.length === 0 || `behind: ${JSON.stringify(rows)}`;
};

/** Rows and checkpoint of one read model, read at the same moment. */
export const readModelAt = async <Row extends object>(database: pg.Pool, name: string, columns: string) => {
  const connection = await database.connect();
  try {
    await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const checkpoint = await connection.query(
      'SELECT position::text, event_hash AS hash FROM baton.checkpoints WHERE name = $1',
      [name],
    );
    const { rows } = await connection.query<Row>(`SELECT tenant, ${columns} FROM baton.${name}`);
    await connection.query('COMMIT');
    const { position, hash } = checkpoint.rows[0];
    return { name, checkpoint: BigInt(position), checkpointHash: hash as string, rows };
  } finally {
    connection.release();
  }
};
