import { describe, expect, it } from 'vitest';
import { agentStream, poolStream, taskStream } from '../domain/ids.ts';
import { PoolLedger } from '../domain/pool/ledger.ts';
import type { LedgerEvent } from '../domain/pool/ledger-snapshot.ts';
import { DEFAULT_RETRY } from '../domain/retry.ts';
import { encodeEvents, headAfter } from '../eventstore/codec.ts';
import { createMemoryEventStore } from '../eventstore/memory-event-store.ts';
import { EMPTY_HEAD } from '../eventstore/provenance.ts';
import { systemClock } from '../platform/clock.ts';
import { recomputeLog } from './recompute.ts';

const AT = '2026-07-01T12:00:00.000Z';
const POOL = 'default';
const TASKS = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`);

const registered: LedgerEvent = {
  type: 'AgentRegistered',
  data: {
    agentId: 'a',
    pool: POOL,
    name: 'a',
    capabilities: [{ name: 'work', version: '1.0.0' }],
    transport: { kind: 'local' },
    maxConcurrency: 10,
    delivery: 'at_least_once',
    labels: {},
    registeredAt: AT,
  },
};
const submitted = (taskId: string): LedgerEvent => ({
  type: 'TaskSubmitted',
  data: {
    taskId,
    pool: POOL,
    capability: 'work',
    input: null,
    priority: 3,
    strategy: 'least_loaded',
    retry: DEFAULT_RETRY,
    timeoutMs: 60_000,
    tags: [],
    submittedAt: AT,
  },
});

/** A log in which one agent gets three tasks in one decision of its pool. */
const logOfThree = async () => {
  const store = createMemoryEventStore({ clock: systemClock });
  const ledger = new PoolLedger(POOL);
  const context = { tenant: 'default', correlationId: 'c', causationId: 'c', actor: 'test', at: AT };
  let position = 0n;
  const append = async (stream: string, ...events: LedgerEvent[]): Promise<void> => {
    const stored = await store.readStream(stream);
    const last = stored.at(-1);
    const head = last ? headAfter(stored) : EMPTY_HEAD;
    const sealed = encodeEvents(stream, { ...context, commandId: `${stream}/${stored.length}` }, events, head);
    ({ position } = await store.append(stream, sealed, { expectedRevision: last?.revision ?? 'no_stream' }));
    for (const event of events) ledger.evolve(event);
  };
  await append(agentStream('default', 'a'), registered);
  for (const taskId of TASKS) await append(taskStream('default', taskId), submitted(taskId));
  const elected = { pool: POOL, writerId: 'w', electedAt: AT };
  await append(poolStream('default', POOL), { type: 'PoolWriterElected', data: elected });
  const assignments = ledger.assign(Date.parse(AT), 10);
  await append(poolStream('default', POOL), {
    type: 'TasksAssigned',
    data: { pool: POOL, assignments, readTo: String(position), assignedAt: AT },
  });
  return store;
};

describe('the decisions of a log', () => {
  it('are counted, shown up to a limit, and it is said how many more there are', async () => {
    const all = { wants: () => true, shows: () => true, onPosition: () => {} };
    const found = await recomputeLog(await logOfThree(), { ...all, limit: 2 });
    expect(found).toMatchObject({ counts: { same: 3, different: 0, not_comparable: 0 }, more: 1, unreadable: 0 });
    expect(found.decisions.map(({ pool, outcome }) => [pool, outcome])).toEqual([
      [POOL, 'same'],
      [POOL, 'same'],
    ]);
  });

  it('are those of one task where only these are wanted', async () => {
    const wants = ({ assignment }: { assignment: { taskId: string } }) => assignment.taskId === TASKS[1];
    const options = { wants, shows: () => true, limit: 20, onPosition: () => {} };
    expect(await recomputeLog(await logOfThree(), options)).toMatchObject({ counts: { same: 1 }, more: 0 });
  });
});
