import { performance } from 'node:perf_hooks';
import type { Assignment } from '#baton/domain/pool/events.js';
import { PoolLedger } from '#baton/domain/pool/ledger.js';
import type { LedgerEvent } from '#baton/domain/pool/ledger-snapshot.js';
import { STRATEGY_NAMES } from '#baton/domain/routing/strategies.js';
import { randomOf } from '#baton/domain/structures/hash32.js';
import { type Bench, Figures, median, percentile } from './harness.ts';

const POOL = 'default';
const NOW_MS = Date.parse('2026-03-01T12:00:00.000Z');
const NOW = new Date(NOW_MS).toISOString();
const FLEETS = [100, 1_000, 10_000];
const SLOTS = 10;
/** Decisions of a tick, fewer than a time slice has room for; ticks that count, after some that do not. */
const TICK = 20;
const TICKS = 1_500;
const WARM_UP_TICKS = 500;
/** Decisions that are timed one by one. */
const SINGLE = 20_000;
const SPECIALISATIONS = ['poems', 'laws', 'letters', 'films'];

const register = (ledger: PoolLedger, index: number, random: () => number): void =>
  ledger.evolve({
    type: 'AgentRegistered',
    data: {
      agentId: `agent-${String(index).padStart(5, '0')}`,
      pool: POOL,
      name: 'agent',
      capabilities: [
        {
          name: 'work',
          version: '1.0.0',
          confidence: Math.round(random() * 100) / 100,
          specialisations: SPECIALISATIONS.filter(() => random() < 0.5),
        },
      ],
      transport: { kind: 'local' },
      maxConcurrency: SLOTS,
      delivery: 'at_least_once',
      labels: {},
      weight: 1 + Math.floor(random() * 4),
      costFactor: Math.round(random() * 100) / 10,
      registeredAt: NOW,
    },
  });

/** A pool whose agents are half full, with the work of one strategy. */
class BusyPool {
  readonly #ledger = new PoolLedger(POOL);
  readonly #random = randomOf(7);
  readonly #strategy: string;
  readonly #held: Assignment[] = [];
  readonly #agents: number;
  #tasks = 0;

  constructor(agents: number, strategy: string) {
    this.#agents = agents;
    this.#strategy = strategy;
    for (let index = 0; index < agents; index += 1) register(this.#ledger, index, this.#random);
    const half = (agents * SLOTS) / 2;
    this.submit(half);
    this.decide(half);
  }

  submit(count: number): void {
    for (let n = 0; n < count; n += 1) this.#ledger.evolve(this.#submitted());
  }

  /** Milliseconds that it took. */
  decide(count: number): number {
    const startedAt = performance.now();
    const assignments = this.#ledger.assign(NOW_MS, count);
    const tookMs = performance.now() - startedAt;
    if (assignments.length !== count) throw new Error(`${assignments.length} of ${count} tasks got an agent`);
    this.#ledger.recorded(assignments);
    for (const assignment of assignments) this.#held.push(assignment);
    return tookMs;
  }

  /** Any of the attempts under way end, one in twenty badly. */
  complete(count: number): void {
    for (let n = 0; n < count; n += 1) {
      const at = Math.floor(this.#random() * this.#held.length);
      const { taskId, attempt, agentId } = this.#held[at] as Assignment;
      this.#held[at] = this.#held.at(-1) as Assignment;
      this.#held.pop();
      const durationMs = 1_000 + Math.floor(this.#random() * 60_000);
      if (this.#random() < 0.95)
        this.#ledger.evolve({
          type: 'TaskCompleted',
          data: { taskId, attempt, agentId, result: null, durationMs, completedAt: NOW },
        });
      else {
        const error = { code: 'E', message: 'm', source: 'agent' as const, retryable: false };
        this.#ledger.evolve({ type: 'TaskAttemptFailed', data: { taskId, attempt, agentId, error, failedAt: NOW } });
      }
    }
  }

  #submitted(): LedgerEvent {
    this.#tasks += 1;
    return {
      type: 'TaskSubmitted',
      data: {
        taskId: `0190b5a4-5b9e-5cc1-8a52-${this.#tasks.toString(16).padStart(12, '0')}`,
        pool: POOL,
        capability: 'work',
        input: null,
        priority: 1 + (this.#tasks % 5),
        strategy: this.#strategy,
        retry: { kind: 'fixed', maxAttempts: 1, baseMs: 0, factor: 2, maxDelayMs: 0, jitter: 0 },
        timeoutMs: 60_000,
        tags: [],
        submittedAt: NOW,
      },
    } as LedgerEvent;
  }

  get agents(): number {
    return this.#agents;
  }
}

const measure = (figures: Figures, pool: BusyPool, strategy: string): void => {
  const ticksMs: number[] = [];
  for (let tick = 0; tick < WARM_UP_TICKS + TICKS; tick += 1) {
    pool.complete(TICK);
    pool.submit(TICK);
    ticksMs.push(pool.decide(TICK));
  }
  // Of the median tick: what else the machine does meanwhile says nothing about decisions.
  const tickMs = median(ticksMs.slice(WARM_UP_TICKS));
  const key = `${strategy}.${pool.agents}`;
  figures.add(`${key}.decisionsPerS`, (TICK * 1_000) / tickMs, '1/s');
  const singleUs: number[] = [];
  for (let n = 0; n < SINGLE; n += 1) {
    pool.complete(1);
    pool.submit(1);
    singleUs.push(pool.decide(1) * 1_000);
  }
  figures.add(`${key}.p50Us`, percentile(singleUs, 50), 'µs');
  figures.add(`${key}.p99Us`, percentile(singleUs, 99), 'µs');
};

export const routing: Bench = {
  question: 'How long does a decision take, with its reason, by the number of agents?',
  async run({ runs, say }) {
    const figures = new Figures();
    const chosen = process.env['ROUTING_STRATEGIES']?.split(',') ?? STRATEGY_NAMES;
    for (let run = 1; run <= runs; run += 1) {
      say(`run ${run} of ${runs}`);
      for (const strategy of chosen)
        for (const agents of FLEETS) measure(figures, new BusyPool(agents, strategy), strategy);
    }
    return { runs, figures: figures.spreads(), ratios: {} };
  },
};
