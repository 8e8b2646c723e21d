import { beforeEach, describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../domain/events.ts';
import { agentStream, poolStream, taskStream } from '../../domain/ids.ts';
import { DEFAULT_RETRY } from '../../domain/retry.ts';
import { encodeEvents, headAfter } from '../../eventstore/codec.ts';
import type { EventStore, NewEvent } from '../../eventstore/event-store.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { EMPTY_HEAD, type StreamHead } from '../../eventstore/provenance.ts';
import { readRun } from './run-log.ts';
import { isSuccess, summarise } from './summary.ts';

const AT = '2026-07-01T12:00:00.000Z';
const POOL = 'demo_1';
const TASKS = ['0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11', '0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d12'] as const;
const RUN = { pool: POOL, agentIds: ['calculator-1'], taskIds: TASKS };
const ERROR = { code: 'AGENT_UNREACHABLE', message: 'gone', source: 'destination', retryable: true } as const;

let store: EventStore;
let heads: Map<string, StreamHead>;
let commands: number;

const append = async (stream: string, ...events: DomainEvent[]): Promise<void> => {
  const head = heads.get(stream) ?? EMPTY_HEAD;
  commands += 1;
  const id = `command-${commands}`;
  const context = { tenant: 'default', commandId: id, correlationId: id, causationId: id, actor: 'test', at: AT };
  const sealed = encodeEvents(stream, context, events, head);
  await store.append(stream, sealed, { expectedRevision: head.revision });
  heads.set(stream, headAfter(sealed, head));
};

const submitted = (taskId: string): DomainEvent => ({
  type: 'TaskSubmitted',
  data: {
    taskId,
    pool: POOL,
    capability: 'footprint',
    input: null,
    priority: 3,
    strategy: 'least_loaded',
    retry: DEFAULT_RETRY,
    timeoutMs: 1_000,
    tags: [],
    submittedAt: AT,
  },
});

const completed = (taskId: string, tonnesCO2e: number): DomainEvent => ({
  type: 'TaskCompleted',
  data: { taskId, attempt: 1, agentId: 'calculator-1', result: { tonnesCO2e }, durationMs: 3, completedAt: AT },
});

const failed = (taskId: string): DomainEvent => ({
  type: 'TaskAttemptFailed',
  data: { taskId, attempt: 1, agentId: 'calculator-1', error: ERROR, failedAt: AT, retryAt: AT },
});

beforeEach(async () => {
  store = createMemoryEventStore({ clock: { now: () => Date.parse(AT) } });
  heads = new Map();
  commands = 0;
  await append(poolStream('default', POOL), {
    type: 'PoolWriterElected',
    data: { pool: POOL, writerId: 'w', electedAt: AT },
  });
  await append(agentStream('default', 'calculator-1'), {
    type: 'AgentDrainStarted',
    data: { agentId: 'calculator-1', pool: POOL, startedAt: AT },
  });
});

const [first, second] = TASKS;

describe('the log of a run', () => {
  it('is summed up from the events themselves', async () => {
    await append(taskStream('default', first), submitted(first));
    await append(taskStream('default', second), submitted(second));
    await append(taskStream('default', first), failed(first));
    await append(taskStream('default', second), completed(second, 0.25));
    await append(taskStream('default', first), completed(first, 1.5));
    const facts = await readRun(store, RUN);
    expect(facts).toMatchObject({
      completed: 2,
      deadLettered: 0,
      duplicateTerminals: 0,
      retries: 1,
      streams: 4,
      events: 7,
    });
    expect(facts.agents.get('calculator-1')).toEqual({ assigned: 0, completed: 2, failed: 1 });
    expect([facts.defects, facts.missing]).toEqual([[], []]);
    const times = { submitMs: [1], endToEndMs: [2], spanMs: 1_000 };
    const summary = summarise({ suppliers: 2, seed: 1, killed: undefined, times, log: facts });
    expect(summary).toMatchObject({
      completed: 2,
      failed: 0,
      throughputPerS: 2,
      totalTonnesCO2e: 1.75,
      auditVerified: true,
    });
    expect(isSuccess(summary)).toBe(true);
  });

  it('shows a second terminal event', async () => {
    await append(taskStream('default', first), submitted(first), completed(first, 1), completed(first, 1));
    await append(taskStream('default', second), submitted(second), completed(second, 1));
    expect((await readRun(store, RUN)).duplicateTerminals).toBe(1);
  });

  it('shows that an acknowledged task is missing', async () => {
    await append(taskStream('default', first), submitted(first), completed(first, 1));
    expect((await readRun(store, RUN)).missing).toEqual([taskStream('default', second)]);
  });

  it('shows an event that was altered', async () => {
    await append(taskStream('default', first), submitted(first), completed(first, 1));
    const stream = taskStream('default', second);
    const [submission, end] = await store.readStream(taskStream('default', first));
    const forged = { ...(submission as NewEvent), id: 'forged' };
    await store.append(stream, [forged, { ...(end as NewEvent), id: 'also' }], { expectedRevision: 'no_stream' });
    const { defects } = await readRun(store, RUN);
    expect(defects).toMatchObject([{ stream, revision: 0n }]);
  });

  it('ignores the streams of other programs', async () => {
    const foreign = '0190b5a4-0000-7cc1-8a52-3c6f6c9f0d13';
    await append(taskStream('default', first), submitted(first), completed(first, 1));
    await append(taskStream('default', foreign), submitted(foreign), completed(foreign, 9));
    const facts = await readRun(store, { ...RUN, taskIds: [first] });
    expect(facts).toMatchObject({ completed: 1, streams: 3, events: 4 });
    expect([...facts.results.keys()]).toEqual([first]);
  });
});
