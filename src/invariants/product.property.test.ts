import { describe, expect, it } from 'vitest';
import { commandsOver, fakeClock, fakeIds, fakeRandom } from '../../test/support/fake-ports.ts';
import { deregisterAgent } from '../commands/agent/deregister-agent.ts';
import { registerAgent } from '../commands/agent/register-agent.ts';
import { updateAgent } from '../commands/agent/update-agent.ts';
import type { Accepted, Caller, Commands } from '../commands/context.ts';
import { cancelTask } from '../commands/task/cancel-task.ts';
import { completeAttempt, expireTask, failAttempt, markOutcomeUnknown } from '../commands/task/close-attempt.ts';
import { redriveTask } from '../commands/task/redrive-task.ts';
import { submitTask } from '../commands/task/submit-task.ts';
import { commandIdOf, poolStream } from '../domain/ids.ts';
import type { Assignment } from '../domain/pool/events.ts';
import { PoolLedger } from '../domain/pool/ledger.ts';
import type { LedgerEvent } from '../domain/pool/ledger-snapshot.ts';
import { ok } from '../domain/result.ts';
import { taskDecider } from '../domain/task/decider.ts';
import { decodeEvent, encodeEvents, headAfter } from '../eventstore/codec.ts';
import type { Position, StoredEvent } from '../eventstore/event-store.ts';
import { createMemoryEventStore } from '../eventstore/memory-event-store.ts';
import { EMPTY_HEAD, type StreamHead } from '../eventstore/provenance.ts';
import { AppError } from '../platform/errors.ts';
import { type ClientCall, checkInvariants, type InvariantId } from './invariants.ts';
import { SometimesCounters } from './sometimes.ts';

type Decide = typeof taskDecider.decide;
/** How a broken build differs from the product. */
type Mutant = {
  readonly decide?: Decide;
  readonly slots?: number;
  readonly keepsLedger?: boolean;
  readonly forgetsKeys?: boolean;
};

const MET = [
  'assignment void when appended',
  'outcome unknown settled by a late answer',
  'parked then redriven',
  'stale completion refused',
  'job redelivered while its holder lives',
  'assigner fenced by another',
] as const;

const CLIENT: Caller = { tenant: 'acme', actor: 'client' };
const DISPATCHER: Caller = { tenant: 'acme', actor: 'dispatcher' };
const AGENTS = ['anna', 'bert', 'carl'];
const STREAM = poolStream('acme', 'default');
const TROUBLE = { code: 'E', message: 'm', source: 'agent' } as const;

/** The fold that one assigner keeps, and its place in the ledger's stream. */
type Writer = { ledger: PoolLedger; read: Position | undefined; head: StreamHead };

/**
 * The product's commands at two processes, its pool ledger and a store in memory, under clients, agents and faults that a seed chooses:
 * late and duplicate answers, lost assigners, two assigners at a time, agents that come and go.
 */
class Campaign {
  readonly calls: ClientCall[] = [];
  readonly sometimes = new SometimesCounters(MET);
  readonly #clock = fakeClock(undefined, 'immediate');
  readonly #store = createMemoryEventStore({ clock: this.#clock });
  readonly #random: () => number;
  readonly #processes: readonly Commands[];
  readonly #mutant: Mutant;
  readonly #ids = fakeIds(99);
  #writers: Writer[] = [{ ledger: new PoolLedger('default'), read: undefined, head: EMPTY_HEAD }];
  /** Deliveries that an agent may still answer, even long after they stopped counting. */
  readonly #deliveries: Assignment[] = [];
  readonly #taskIds: string[] = [];

  constructor(seed: number, mutant: Mutant = {}) {
    this.#random = fakeRandom(seed);
    this.#mutant = mutant;
    this.#processes = [0, 1].map((space) => {
      const ports = { clock: this.#clock, ids: fakeIds(space), random: this.#random };
      const commands = commandsOver(this.#store, ports);
      return mutant.decide ? { ...commands, tasks: commandsWith(mutant.decide, this.#store, ports) } : commands;
    });
  }

  async run(steps: number): Promise<StoredEvent[]> {
    for (const agentId of AGENTS.slice(0, 2)) await this.#registerAgent(agentId);
    for (let step = 0; step < steps; step += 1) {
      this.#clock.advance(1 + this.#below(50));
      await this.#surviving(() => this.#step());
    }
    await this.#surviving(() => this.#heal());
    return (await this.#store.readAll({ limit: 1_000_000 })).events;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #one<T>(items: readonly T[]): T | undefined {
    return items[this.#below(items.length)];
  }

  get #anyProcess(): Commands {
    return this.#processes[this.#below(2)] as Commands;
  }

  /** A broken build may throw; what counts is what it leaves in the log. */
  async #surviving(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (Object.keys(this.#mutant).length === 0 || !(error instanceof AppError)) throw error;
    }
  }

  async #step(): Promise<void> {
    const dice = this.#below(100);
    if (dice < 20) await this.#submit();
    else if (dice < 45) await this.#tick(this.#one(this.#writers) as Writer);
    else if (dice < 78) await this.#answer();
    else if (dice < 82) await this.#act('CancelTask', (commands, id, caller) => cancelTask(commands, caller, id));
    else if (dice < 90) await this.#act('RedriveTask', (commands, id, caller) => redriveTask(commands, caller, id));
    else if (dice < 95) await this.#changeAgent();
    else this.#clock.advance(20_000);
    if (this.#below(30) === 0)
      this.#writers.push({ ledger: new PoolLedger('default'), read: undefined, head: EMPTY_HEAD });
  }

  async #registerAgent(agentId: string): Promise<void> {
    const capabilities = [{ name: 'translate' }];
    await registerAgent(this.#anyProcess, CLIENT, {
      agentId,
      capabilities,
      maxConcurrency: 1 + this.#below(3),
      replace: true,
    });
  }

  async #changeAgent(): Promise<void> {
    const agentId = this.#one(AGENTS) as string;
    const change = this.#below(3);
    try {
      if (change === 0) await this.#registerAgent(agentId);
      if (change === 1) await updateAgent(this.#anyProcess, CLIENT, agentId, { maxConcurrency: 1 + this.#below(3) });
      if (change === 2) await deregisterAgent(this.#anyProcess, CLIENT, agentId);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'NOT_FOUND') throw error;
    }
  }

  async #submit(): Promise<void> {
    const idempotencyKey = `key-${this.#below(30)}`;
    const priority = 1 + this.#below(3);
    const deadlineAt = this.#below(4) === 0 ? { deadlineAt: new Date(this.#clock.now() + 30_000).toISOString() } : {};
    const input = {
      capability: 'translate',
      priority,
      retry: { maxAttempts: 1 + this.#below(3), baseMs: 100 },
      ...deadlineAt,
    };
    const call = { idempotencyKey, body: JSON.stringify(input) };
    const commandId = commandIdOf('acme', 'SubmitTask', idempotencyKey);
    const taskId = await this.#call({ ...call, scope: 'SubmitTask', commandId }, (caller) =>
      submitTask(this.#anyProcess, caller, input),
    );
    if (taskId !== undefined && !this.#taskIds.includes(taskId)) this.#taskIds.push(taskId);
  }

  async #act(
    command: string,
    send: (commands: Commands, taskId: string, caller: Caller) => Promise<{ ok: boolean; value?: Accepted }>,
  ): Promise<void> {
    const taskId = this.#one(this.#taskIds);
    if (taskId === undefined) return;
    const idempotencyKey = `key-${this.#below(5)}`;
    const scope = `${command}/${taskId}`;
    const commandId = commandIdOf('acme', scope, idempotencyKey);
    await this.#call({ scope, idempotencyKey, commandId, body: '' }, (caller) =>
      send(this.#anyProcess, taskId, caller),
    );
  }

  async #call(
    facts: Pick<ClientCall, 'scope' | 'commandId' | 'body'> & { readonly idempotencyKey: string },
    send: (caller: Caller) => Promise<{ ok: boolean; value?: Accepted }>,
  ): Promise<string | undefined> {
    const call = { tenant: 'acme', ...facts };
    const key = this.#mutant.forgetsKeys ? `${facts.idempotencyKey}-${this.calls.length}` : facts.idempotencyKey;
    try {
      const result = await send({ ...CLIENT, idempotencyKey: key });
      const answer = result.value ? { taskId: result.value.id, position: result.value.position } : {};
      // Now and then the answer is lost.
      const outcome = this.#below(10) === 0 ? 'unknown' : result.ok ? 'ok' : 'fail';
      this.calls.push({ ...call, outcome, ...answer });
      return result.value?.id;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.calls.push({ ...call, outcome: 'fail' });
      return undefined;
    }
  }

  async #catchUp(writer: Writer): Promise<void> {
    const { events } = await this.#store.readAll({
      ...(writer.read === undefined ? {} : { after: writer.read }),
      limit: 1_000_000,
    });
    for (const event of events) {
      const decoded = decodeEvent(event) as LedgerEvent;
      const widened =
        decoded.type === 'AgentRegistered' || decoded.type === 'AgentReconfigured'
          ? {
              ...decoded,
              data: { ...decoded.data, maxConcurrency: decoded.data.maxConcurrency * (this.#mutant.slots ?? 1) },
            }
          : decoded;
      writer.ledger.evolve(widened as LedgerEvent);
      writer.read = event.position;
    }
  }

  /** One tick of an assigner. It may be fenced, or decide on a fold that is behind the log. */
  async #tick(writer: Writer): Promise<void> {
    if (this.#below(4) > 0) await this.#catchUp(writer);
    const nowMs = this.#clock.now();
    for (const timer of writer.ledger.dueTimers(nowMs, 1_000)) {
      if (timer.kind === 'deadlinePassed') await expireTask(this.#anyProcess, DISPATCHER, timer.taskId, timer.heldBy);
      else if (timer.kind === 'attemptExpired')
        await failAttempt(this.#anyProcess, DISPATCHER, timer, { error: { ...TROUBLE, retryable: true } });
    }
    const assignments = writer.ledger.assign(nowMs, 5);
    if (assignments.length === 0) return;
    if (this.#below(8) === 0) await this.#act('CancelTask', (commands, id, caller) => cancelTask(commands, caller, id));
    const at = new Date(nowMs).toISOString();
    const commandId = this.#ids.next();
    const context = {
      tenant: 'acme',
      commandId,
      correlationId: commandId,
      causationId: commandId,
      actor: 'assigner',
      at,
    };
    const tail = (await this.#store.readStream(STREAM, { direction: 'backwards', limit: 1 }))[0];
    const known = tail ? { revision: tail.revision, hash: tail.metadata.hash } : EMPTY_HEAD;
    if (known.revision !== writer.head.revision && !this.#mutant.keepsLedger) {
      this.#replaceWriters(known);
      return;
    }
    const event = { type: 'TasksAssigned' as const, data: { pool: 'default', assignments, assignedAt: at } };
    const events = encodeEvents(STREAM, context, [event], known);
    await this.#store.append(STREAM, events, { expectedRevision: known.revision });
    writer.head = headAfter(events, known);
    writer.ledger.recorded(assignments);
    this.#deliveries.push(...assignments);
  }

  /** The fence: an assigner that finds another writer's append starts over from the log and takes over the ledger. */
  #replaceWriters(head: StreamHead): void {
    this.sometimes.hit('assigner fenced by another');
    this.#writers = [{ ledger: new PoolLedger('default'), read: undefined, head }];
  }

  async #answer(): Promise<void> {
    const delivery = this.#one(this.#deliveries.slice(-12));
    if (delivery) await this.#answerTo(delivery, this.#below(10));
    if (delivery && this.#below(6) === 0) {
      this.sometimes.hit('job redelivered while its holder lives');
      await Promise.all([this.#answerTo(delivery, this.#below(10)), this.#answerTo(delivery, this.#below(10))]);
    }
  }

  async #answerTo(delivery: Assignment, dice: number): Promise<void> {
    const commands = this.#anyProcess;
    const error = { ...TROUBLE, retryable: this.#below(4) > 0 };
    const late = { result: { dice }, durationMs: 1 };
    const result =
      dice < 5
        ? await completeAttempt(commands, DISPATCHER, delivery, late)
        : dice < 8
          ? await failAttempt(commands, DISPATCHER, delivery, { error })
          : await markOutcomeUnknown(commands, DISPATCHER, delivery, error);
    if (!result.ok && result.rejection.reason === 'StaleAttempt') this.sometimes.hit('stale completion refused');
  }

  /** The faults end, and everything that is open gets time to finish. */
  async #heal(): Promise<void> {
    for (const agentId of AGENTS) await this.#registerAgent(agentId);
    const tail = (await this.#store.readStream(STREAM, { direction: 'backwards', limit: 1 }))[0];
    const head = tail ? { revision: tail.revision, hash: tail.metadata.hash } : EMPTY_HEAD;
    const writer = { ledger: new PoolLedger('default'), read: undefined, head };
    for (let round = 0; round < 500; round += 1) {
      await this.#catchUp(writer);
      if (writer.ledger.openTasks === 0) return;
      await this.#tick(writer);
      await this.#catchUp(writer);
      for (const { taskId, attempt, agentId } of writer.ledger.openAssignments())
        await completeAttempt(
          this.#anyProcess,
          DISPATCHER,
          { taskId, attempt, agentId },
          { result: null, durationMs: 1 },
        );
      this.#clock.advance(10_000);
    }
  }
}

const commandsWith = (decide: Decide, ...over: Parameters<typeof commandsOver>): Commands['tasks'] => {
  const { tasks } = commandsOver(...over);
  const Handler = tasks.constructor as new (...of: unknown[]) => Commands['tasks'];
  return new Handler(over[0], { ...taskDecider, decide }, over[1]);
};

const judge = async (seed: number, mutant: Mutant = {}, steps = 250) => {
  const campaign = new Campaign(seed, mutant);
  const log = await campaign.run(steps);
  return { campaign, report: checkInvariants({ log, calls: campaign.calls, sometimes: campaign.sometimes }) };
};

describe('the product under random faults', () => {
  it('keeps every invariant and reaches every situation', { timeout: 60_000 }, async () => {
    const total = new SometimesCounters(MET);
    for (let seed = 1; seed <= 40; seed += 1) {
      const { campaign, report } = await judge(seed);
      const violations = report.violations.filter(({ invariant }) => invariant !== 'L4');
      expect(violations, `seed ${seed}`).toEqual([]);
      expect(report.counts.completed, `seed ${seed}`).toBeGreaterThan(5);
      total.merge(campaign.sometimes);
      total.hit('assignment void when appended', report.counts.voidAssignments);
      total.hit('outcome unknown settled by a late answer', report.counts.lateCompletions);
      total.hit('parked then redriven', report.counts.redriven);
    }
    expect(total.missing).toEqual([]);
  });
});

/** Answers as if the attempt were the current one, but with its own number. */
const withoutFence: Decide = (command, task) => {
  if (command.type !== 'CompleteAttempt' || task.status !== 'open') return taskDecider.decide(command, task);
  const { attempt, agentId, result, durationMs, now } = command;
  return ok([
    {
      type: 'TaskCompleted',
      data: { taskId: task.submitted.taskId, attempt, agentId, result, durationMs, completedAt: now },
    },
  ]);
};

const cancelsAnything: Decide = (command, task) =>
  command.type === 'CancelTask' && task.status !== 'none'
    ? ok([{ type: 'TaskCancelled', data: { taskId: task.submitted.taskId, cancelledAt: command.now } }])
    : taskDecider.decide(command, task);

const redrivesTheSameAttempt: Decide = (command, task) => {
  const decision = taskDecider.decide(command, task);
  if (!decision.ok || command.type !== 'RedriveTask') return decision;
  return ok(
    decision.value.map((event) =>
      event.type === 'TaskRedriven'
        ? { ...event, data: { ...event.data, nextAttempt: event.data.nextAttempt - 1 } }
        : event,
    ),
  );
};

const failsWithoutDeadLetter: Decide = (command, task) => {
  const decision = taskDecider.decide(command, task);
  return decision.ok ? ok(decision.value.filter(({ type }) => type !== 'TaskDeadLettered')) : decision;
};

describe('a broken build', () => {
  it.each<[string, Mutant, InvariantId[]]>([
    ['completes without a fence', { decide: withoutFence }, ['S6']],
    ['cancels tasks that have ended', { decide: cancelsAnything }, ['S3']],
    ['redrives the attempt that failed', { decide: redrivesTheSameAttempt }, ['S5']],
    ['forgets to dead-letter', { decide: failsWithoutDeadLetter }, ['S4', 'L1']],
    ['counts more slots than an agent has', { slots: 3 }, ['S7']],
    ['lets a fenced assigner append', { keepsLedger: true }, ['S5']],
    ['forgets idempotency keys', { forgetsKeys: true }, ['S1', 'S18']],
  ])('that %s is found within five seeds', { timeout: 60_000 }, async (_, mutant, expected) => {
    const found = new Set<InvariantId>();
    for (let seed = 1; seed <= 5; seed += 1)
      for (const { invariant } of (await judge(seed, mutant)).report.violations) found.add(invariant);
    expect([...found]).toEqual(expect.arrayContaining(expected));
  });
});
