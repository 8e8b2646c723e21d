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

  it('is the same where the clock of its writer was behind that of whoever recorded a failure', () => {
    const atMs = Date.parse(AT);
    const iso = (ms: number): string => new Date(atMs + ms).toISOString();
    const [first] = decided();
    const history: LedgerEvent[] = [
      registered,
      submitted('first'),
      elected,
      { type: 'TasksAssigned', data: { pool: 'default', assignments: [first as never], readTo: '9', assignedAt: AT } },
      {
        type: 'TaskAttemptFailed',
        data: {
          taskId: 'first',
          attempt: 1,
          agentId: 'a',
          error: { code: 'E', message: 'm', source: 'agent', retryable: true },
          failedAt: iso(50),
          retryAt: iso(150),
        },
      },
    ];
    const writer = new PoolLedger('default');
    for (const event of history) writer.evolve(event);
    // It looks at the attempt 2 ms before it failed, by its own clock.
    writer.wake(atMs + 48, 100);
    const assignments = writer.assign(atMs + 148, 1);
    expect(assignments).toMatchObject([{ attempt: 2 }]);
    const recomputation = new Recomputation('default');
    for (const [index, event] of history.entries()) recomputation.take({ event, position: BigInt(index) });
    const data = { pool: 'default', assignments, readTo: '9', assignedAt: iso(148) };
    expect(recomputation.take({ event: { type: 'TasksAssigned', data }, position: 10n })).toMatchObject([
      { outcome: 'same' },
    ]);
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
