import { expect } from 'vitest';
import type { AgentEntry } from '../../../src/domain/pool/agent-entry.ts';
import type { Assignment, Exclusion } from '../../../src/domain/pool/events.ts';
import { PoolLedger } from '../../../src/domain/pool/ledger.ts';
import type { LedgerEvent } from '../../../src/domain/pool/ledger-snapshot.ts';
import type { Lane } from '../../../src/domain/pool/matching.ts';
import { strategyOf } from '../../../src/domain/pool/route.ts';
import type { TaskEntry } from '../../../src/domain/pool/task-entry.ts';
import { ABILITY, AVAILABILITY, firstRule, PREFERENCE, sortOut } from '../../../src/domain/routing/eligibility.ts';
import type { WaitingReason } from '../../../src/domain/routing/waiting-reasons.ts';
import { explainWaiting } from '../../../src/domain/routing/why-waiting.ts';
import { hash32, randomOf } from '../../../src/domain/structures/hash32.ts';
import { copyOf } from '../ledger-snapshot.ts';
import { ReferenceFleet } from './reference-fleet.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const POOL = 'default';
const SPECIALISATIONS = ['poems', 'laws', 'letters'];
const LANES: readonly Lane[] = ['a2a', 'local'];
const SHOWN = 5;
/** For so long some of the agents are out of order, then others. */
const OUTAGE_MS = 120_000;

type Facts = { readonly seed: number; readonly agents: number; readonly strategy: string };

/** A ledger in a random history. Each decision is made a second time by looking at every agent of its snapshot. */
export class RoutedFleet {
  decisions = 0;
  readonly chosen = new Set<string>();
  readonly exclusions = new Set<Exclusion>();
  readonly reasons = new Set<WaitingReason>();
  /** States that breakers were in. */
  readonly breakers = new Set<string>();
  readonly #facts: Facts;
  readonly #random: () => number;
  #ledger = new PoolLedger(POOL);
  readonly #registered = new Set<string>();
  #held: Assignment[] = [];
  #places: Partial<Record<Lane, number>> = {};
  #tasks = 0;
  #nowMs = START;

  constructor(facts: Facts) {
    this.#facts = facts;
    this.#random = randomOf(facts.seed);
    for (let agent = 0; agent < facts.agents; agent += 1) this.#register(`agent-${agent}`);
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step += 1) {
      this.#happen();
      this.#decide();
    }
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #oneOf<Item>(items: readonly Item[]): Item {
    return items[this.#below(items.length)] as Item;
  }

  #now(): string {
    return new Date(this.#nowMs).toISOString();
  }

  #record(event: LedgerEvent): void {
    this.#ledger.evolve(JSON.parse(JSON.stringify(event)) as LedgerEvent);
  }

  #register(agentId: string): void {
    const versions = this.#oneOf([['1.0.0'], ['1.2.0'], ['2.0.0'], ['1.0.0', '2.0.0'], ['1.0.0']]);
    const work = versions.map((version) => ({
      name: 'work',
      version,
      confidence: this.#below(11) / 10,
      specialisations: SPECIALISATIONS.filter(() => this.#random() < 0.3),
    }));
    const kind = this.#oneOf(LANES);
    const transport =
      kind === 'local' ? { kind } : { kind, cardUrl: 'https://agents.example/card', card: { name: agentId } };
    const profile = {
      agentId,
      pool: POOL,
      name: agentId,
      capabilities: this.#random() < 0.1 ? [{ name: 'other', version: '1.0.0' }] : work,
      transport,
      maxConcurrency: 1 + this.#below(4),
      delivery: 'at_least_once' as const,
      labels: {},
      weight: this.#oneOf([0.5, 1, 3]),
      costFactor: this.#oneOf([0, 1, 2.5]),
      ...(this.#random() < 0.3 ? { standby: true } : {}),
    };
    if (this.#registered.has(agentId) && this.#random() < 0.7)
      this.#record({ type: 'AgentReconfigured', data: { ...profile, reconfiguredAt: this.#now() } });
    else {
      const warmUp = this.#random() < 0.3 ? { warmUpMs: 60_000 } : {};
      this.#record({ type: 'AgentRegistered', data: { ...profile, ...warmUp, registeredAt: this.#now() } });
    }
    this.#registered.add(agentId);
  }

  #happen(): void {
    this.#nowMs += this.#below(2_000);
    const agentId = `agent-${this.#below(this.#facts.agents)}`;
    const subject = { agentId, pool: POOL };
    const at = this.#now();
    const happenings: readonly (() => void)[] = [
      () => this.#register(agentId),
      () => {
        this.#record({ type: 'AgentDeregistered', data: { ...subject, deregisteredAt: at } });
        this.#registered.delete(agentId);
      },
      () => this.#record({ type: 'AgentDrainStarted', data: { ...subject, startedAt: at } }),
      () => this.#record({ type: 'AgentDrainEnded', data: { ...subject, endedAt: at } }),
      () => this.#record({ type: 'AgentMaintenanceStarted', data: { ...subject, startedAt: at } }),
      () => this.#record({ type: 'AgentMaintenanceEnded', data: { ...subject, endedAt: at } }),
      () => this.#record({ type: 'AgentWarmUpEnded', data: { ...subject, by: 'agent', endedAt: at } }),
      () => this.#changeHealth(subject),
      () => this.#changeHealth(subject),
      () => this.#limit(),
      () => {
        this.#ledger = copyOf(this.#ledger);
        for (const lane of LANES) this.#ledger.places.limit(lane, this.#places[lane]);
      },
    ];
    if (this.#random() < 0.35) this.#oneOf(happenings)();
    if (this.#random() < 0.8) this.#submit();
    for (let count = this.#below(3); count > 0 && this.#held.length > 0; count -= 1) this.#close();
  }

  #changeHealth(subject: { readonly agentId: string; readonly pool: string }): void {
    const to = this.#oneOf(['healthy', 'healthy', 'degraded', 'degraded', 'unhealthy'] as const);
    this.#record({
      type: 'AgentHealthChanged',
      data: { ...subject, from: 'healthy', to, reason: 'r', changedAt: this.#now() },
    });
  }

  #limit(): void {
    const lane = this.#oneOf(LANES);
    const places = this.#random() < 0.6 ? undefined : this.#below(6);
    this.#places = { ...this.#places, [lane]: places };
    this.#ledger.places.limit(lane, places);
  }

  #submit(): void {
    const taskId = `task-${this.#tasks++}`;
    const some = <Value>(name: string, value: Value, share = 0.5): object =>
      this.#random() < share ? { [name]: value } : {};
    this.#record({
      type: 'TaskSubmitted',
      data: {
        taskId,
        pool: POOL,
        capability: 'work',
        input: null,
        priority: 1 + this.#below(5),
        strategy: this.#facts.strategy,
        retry: { kind: 'fixed', maxAttempts: 9, baseMs: 0, factor: 2, maxDelayMs: 0, jitter: 0 },
        timeoutMs: 60_000,
        tags: [],
        submittedAt: this.#now(),
        ...some('versionRange', this.#oneOf(['^1.0.0', '>=1.1.0', '^2.0.0'])),
        ...some('affinityKey', `key-${this.#below(6)}`, 0.9),
        ...some('specialisation', this.#oneOf(SPECIALISATIONS)),
        ...some('targets', [`agent-${this.#below(5)}`, `agent-${this.#below(20)}`], 0.8),
        ...(this.#facts.strategy === 'cost_based' ? some('complexity', 1 + this.#below(4)) : {}),
        ...some('deadlineAt', new Date(this.#nowMs + 100_000 + this.#below(100_000)).toISOString()),
      },
    });
  }

  #close(): void {
    const [{ taskId, attempt, agentId }] = this.#held.splice(this.#below(this.#held.length), 1) as [Assignment];
    const isOut = hash32(agentId, Math.floor(this.#nowMs / OUTAGE_MS)) % 2 === 0;
    if (this.#random() < (isOut ? 0.05 : 0.8)) {
      const durationMs = this.#below(90_000);
      const completedAt = this.#now();
      this.#record({
        type: 'TaskCompleted',
        data: { taskId, attempt, agentId, result: null, durationMs, completedAt },
      });
      return;
    }
    const source = isOut ? 'destination' : this.#oneOf(['agent', 'destination'] as const);
    const error = {
      code: 'E',
      message: 'm',
      source,
      retryable: true,
      ...(source === 'agent' || this.#random() < 0.5 ? {} : { notSent: true as const }),
    };
    const failedAt = this.#now();
    const pause = this.#random() < 0.15 ? { retryAfterMs: 1 + this.#below(30_000) } : {};
    this.#record({
      type: 'TaskAttemptFailed',
      data: { taskId, attempt, agentId, error, failedAt, retryAt: failedAt, ...pause },
    });
  }

  #decide(): void {
    this.#ledger.wake(this.#nowMs, Number.POSITIVE_INFINITY);
    this.#changeBreakers();
    // Snapshots are what the reference looks at: the facts, and nothing of the indexes.
    const before = this.#ledger.snapshot();
    const tasks = new Map(
      this.#ledger.takeParts('all').flatMap(({ items }) => items.map((task) => [task.taskId, task])),
    );
    const [assignment] = this.#ledger.assign(this.#nowMs, 1);
    if (!assignment) {
      this.#expectNobody([...tasks.values()], before.agents);
      return;
    }
    this.#ledger.recorded([assignment]);
    this.#held.push(assignment);
    this.decisions += 1;
    this.chosen.add(assignment.agentId);
    for (const reason of Object.keys(assignment.reason.excluded)) this.exclusions.add(reason as Exclusion);
    const { memory, agents } = before;
    const task = tasks.get(assignment.taskId) as TaskEntry;
    const expected = this.#reference(task, agents, {
      last: new Map(memory.turns).get(`work@${task.versionRange ?? ''}`),
      bound: new Map(memory.affinities).get(task.affinityKey ?? ''),
    });
    const { candidates, eligible, excluded, overflow, seed } = assignment.reason;
    expect({
      agentId: assignment.agentId,
      best: candidates.map(({ agentId }) => agentId),
      eligible,
      excluded,
      overflow,
      seed,
    }).toEqual(expected);
  }

  #changeBreakers(): void {
    const due = copyOf(this.#ledger);
    due.wake(this.#nowMs, Number.POSITIVE_INFINITY);
    const changes = this.#ledger.changeBreakers(this.#nowMs, Number.POSITIVE_INFINITY);
    // The same follows from what a snapshot has.
    expect(due.changeBreakers(this.#nowMs, Number.POSITIVE_INFINITY)).toEqual(changes);
    for (const { to } of changes) this.breakers.add(to);
  }

  #sorted(task: TaskEntry, all: readonly AgentEntry[]) {
    const agents = all.filter(({ deregistered }) => !deregistered);
    const able = sortOut(agents, ABILITY, task);
    const held = (lane: Lane): number =>
      all.filter(({ transport }) => transport === lane).reduce((sum, { open }) => sum + open, 0);
    const isOpen = ({ transport }: AgentEntry): boolean =>
      held(transport) < (this.#places[transport] ?? Number.POSITIVE_INFINITY);
    const available = sortOut(able.eligible, AVAILABILITY, task);
    const free = available.eligible.filter(isOpen);
    const closed = available.eligible.length - free.length;
    const excluded: Partial<Record<Exclusion, number>> = { ...able.excluded, ...available.excluded };
    if (closed > 0) excluded.no_slot = (excluded.no_slot ?? 0) + closed;
    return { able: able.eligible, callable: able.eligible.filter(isOpen), free, excluded };
  }

  #reference(
    task: TaskEntry,
    agents: readonly AgentEntry[],
    { last, bound }: { readonly last: string | undefined; readonly bound: string | undefined },
  ) {
    const { able, callable, free, excluded } = this.#sorted(task, agents);
    let candidates: readonly AgentEntry[] = free;
    for (const rule of PREFERENCE) {
      const sorted = sortOut(candidates, [rule], task);
      if (sorted.eligible.length === 0) continue;
      candidates = sorted.eligible;
      Object.assign(excluded, sorted.excluded);
    }
    const fleet = new ReferenceFleet({
      capability: 'work',
      candidates: [...candidates].sort(inGroups),
      able,
      takers: callable.filter((agent) => takesWork(firstRule(AVAILABILITY, agent, task)?.name)),
    });
    const seed = hash32(task.taskId, task.attempt);
    const choice = strategyOf(task).choose({ task, fleet, top: SHOWN, seed, last, bound, nowMs: this.#nowMs });
    return {
      agentId: choice.best[0]?.candidate.agentId,
      best: choice.best.map(({ candidate: { agentId } }) => agentId),
      eligible: candidates.length,
      excluded,
      overflow: choice.overflow,
      seed: choice.seed,
    };
  }

  #expectNobody(tasks: readonly TaskEntry[], agents: readonly AgentEntry[]): void {
    const waiting = tasks.filter(
      ({ agentId, readyMs, deadlineMs = Number.POSITIVE_INFINITY }) =>
        agentId === undefined && readyMs <= this.#nowMs && deadlineMs > this.#nowMs,
    );
    for (const task of waiting) this.#expectReason(task, agents);
    expect(this.#ledger.waiting.withoutReason).toBe(0);
  }

  /** Only the places of the dispatchers keep a task from an agent that is free. */
  #expectReason(task: TaskEntry, all: readonly AgentEntry[]): void {
    const { free, able } = this.#sorted(task, all);
    expect(free).toEqual([]);
    const at = new Date(task.readyMs).toISOString();
    const { reason } = explainWaiting(
      { ...task, pool: POOL, poolIsLed: true, submittedAt: at, retryAt: at },
      all.filter(({ deregistered }) => !deregistered),
      this.#nowMs,
    );
    expect(reason === 'next_in_turn').toBe(sortOut(able, AVAILABILITY, task).eligible.length > 0);
    this.reasons.add(reason);
  }
}

/** Also without a free slot. */
const takesWork = (excludedBy: Exclusion | undefined): boolean => excludedBy === undefined || excludedBy === 'no_slot';

/** As the indexes are: by what agents offer, then by their ids. Draws go over them in this order. */
const inGroups = (a: AgentEntry, b: AgentEntry): number => {
  const group = ({ transport, capabilities }: AgentEntry): string =>
    `${transport}:work@${[...new Set(capabilities.map(({ version }) => version))].sort().join()}`;
  if (group(a) !== group(b)) return group(a) < group(b) ? -1 : 1;
  return a.agentId < b.agentId ? -1 : 1;
};
