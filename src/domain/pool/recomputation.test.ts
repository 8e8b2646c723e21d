import { describe, expect, it } from 'vitest';
import { DEFAULT_RETRY } from '../retry.ts';
import { PoolLedger } from './ledger.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';
import { Recomputation } from './recomputation.ts';

const AT = '2026-07-01T12:00:00.000Z';

const registered: LedgerEvent = {
  type: 'AgentRegistered',
  data: {
    agentId: 'a',
    pool: 'default',
    name: 'a',
    capabilities: [{ name: 'work', version: '1.0.0' }],
    transport: { kind: 'local' },
    maxConcurrency: 1,
    delivery: 'at_least_once',
    labels: {},
    registeredAt: AT,
  },
};
const submitted = (taskId: string): LedgerEvent => ({
  type: 'TaskSubmitted',
  data: {
    taskId,
    pool: 'default',
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
const elected: LedgerEvent = {
  type: 'PoolWriterElected',
  data: { pool: 'default', writerId: 'w', electedAt: AT },
};
const HISTORY = [registered, submitted('first'), submitted('second'), elected];

/** The decision of a writer that has read all of the history, and may not go on with one task. */
const decided = (change: (ledger: PoolLedger) => void = () => {}) => {
  const ledger = new PoolLedger('default');
  for (const event of HISTORY) ledger.evolve(event);
  change(ledger);
  return ledger.assign(Date.parse(AT), 1);
};

const decideAgain = (
  assignments: ReturnType<typeof decided>,
  { readTo = '9', pass }: { readTo?: string | undefined; pass?: string } = {},
) => {
  const recomputation = new Recomputation('default');
  for (const [index, event] of HISTORY.entries()) recomputation.take({ event, position: BigInt(index) });
  if (pass !== undefined) recomputation.pass(pass, 9n);
  const data = { pool: 'default', assignments, assignedAt: AT, ...(readTo === '' ? {} : { readTo }) };
  return recomputation.take({ event: { type: 'TasksAssigned', data }, position: 10n });
};

describe('a decision that is made again', () => {
  it('passes over a task whose stream holds an event of a newer build, as its writer did', () => {
    const assignments = decided((ledger) => ledger.halt('task-default.first'));
    expect(assignments).toMatchObject([{ taskId: 'second' }]);
    expect(decideAgain(assignments, { pass: 'task-default.first' })).toMatchObject([{ outcome: 'same' }]);
    expect(decideAgain(assignments)).toMatchObject([{ outcome: 'different' }]);
  });

  it('cannot be compared when it was made by another version of its policy, or does not say what it had read', () => {
    const [assignment] = decided();
    if (!assignment) throw new Error('nothing was decided');
    const older = { ...assignment, reason: { ...assignment.reason, strategyVersion: 99 } };
    expect(decideAgain([older])).toMatchObject([
      { outcome: 'not_comparable', why: expect.stringContaining('made by version 99 of the policy least_loaded') },
    ]);
    expect(decideAgain([assignment], { readTo: '' })).toMatchObject([
      { outcome: 'not_comparable', why: expect.stringContaining('before decisions named the position') },
    ]);
    expect(decideAgain([assignment])).toMatchObject([{ outcome: 'same' }]);
  });
});
