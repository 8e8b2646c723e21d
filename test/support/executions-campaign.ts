import { registerAgent } from '../../src/commands/agent/register-agent.ts';
import { AggregateHandler } from '../../src/commands/aggregate-handler.ts';
import type { Accepted, Caller, Commands } from '../../src/commands/context.ts';
import { cancelExecution } from '../../src/commands/execution/cancel-execution.ts';
import { decideStep } from '../../src/commands/execution/decide-step.ts';
import { forkExecution } from '../../src/commands/execution/fork-execution.ts';
import { migrateExecutions } from '../../src/commands/execution/migrate-executions.ts';
import { pauseExecution } from '../../src/commands/execution/pause-execution.ts';
import {
  handOverCompensation,
  retryCompensation,
  skipCompensation,
} from '../../src/commands/execution/resolve-compensation.ts';
import { resumeExecution } from '../../src/commands/execution/resume-execution.ts';
import { retryExecution } from '../../src/commands/execution/retry-execution.ts';
import { signalExecution } from '../../src/commands/execution/signal-execution.ts';
import { skipStep } from '../../src/commands/execution/skip-step.ts';
import { startExecution } from '../../src/commands/execution/start-execution.ts';
import { completeAttempt, failAttempt, markOutcomeUnknown } from '../../src/commands/task/close-attempt.ts';
import { releaseTask } from '../../src/commands/task/release-task.ts';
import { publishWorkflow } from '../../src/commands/workflow/publish-workflow.ts';
import { executionDecider } from '../../src/domain/execution/decider.ts';
import type { ExecutionEvent } from '../../src/domain/execution/events.ts';
import type { Running } from '../../src/domain/execution/state.ts';
import { isFinal, statusOf } from '../../src/domain/execution/state.ts';
import { commandIdOf, executionStream, poolStream } from '../../src/domain/ids.ts';
import type { Assignment } from '../../src/domain/pool/events.ts';
import { PoolLedger } from '../../src/domain/pool/ledger.ts';
import type { LedgerEvent } from '../../src/domain/pool/ledger-snapshot.ts';
import { decodeEvent, encodeEvents, headAfter } from '../../src/eventstore/codec.ts';
import {
  type EventStore,
  type Position,
  RevisionConflict,
  type StoredEvent,
} from '../../src/eventstore/event-store.ts';
import { createMemoryEventStore } from '../../src/eventstore/memory-event-store.ts';
import { EMPTY_HEAD, type StreamHead } from '../../src/eventstore/provenance.ts';
import type { ClientCall } from '../../src/invariants/invariants.ts';
import { SometimesCounters } from '../../src/invariants/sometimes.ts';
import { AppError } from '../../src/platform/errors.ts';
import { carryOut } from '../../src/processes/executions/carry-out.ts';
import { type DueWork, WaitBook, type WaitBookSnapshot } from '../../src/processes/executions/wait-book.ts';
import { type Dice, diceOf, EVENTS, randomWorkflow, renamed, SUB_WORKFLOWS, saga } from './executions-definitions.ts';
import { commandsOver, type FakeClock, fakeClock, fakeIds, fakeRandom } from './fake-ports.ts';
import { restoredLedger, savedLedger } from './ledger-snapshot.ts';

type Decider = typeof executionDecider;

/** How a broken build differs. */
export type Mutant = {
  readonly decide?: Decider['decide'];
  readonly evolve?: Decider['evolve'];
  /** Appends whatever the stream's revision is. */
  readonly ignoresConflicts?: boolean;
  readonly carryOut?: (commands: Commands, tenant: string, work: DueWork) => Promise<void>;
};

/** Situations that show in the campaign and not in the log. */
export const MET = [
  'late result after the end refused',
  'stale completion refused',
  'unknown append was written',
  'unknown append was not written',
  'assigner fenced by another',
] as const;

const TENANT = 'acme';
const CLIENT: Caller = { tenant: TENANT, actor: 'client' };
const DISPATCHER: Caller = { tenant: TENANT, actor: 'dispatcher' };
const POOL = poolStream(TENANT, 'default');
const AGENTS = ['anna', 'bert', 'carl'];
const NO_ANSWER = { code: 'NO_ANSWER', message: 'm', source: 'timeout', outcomeUnknown: true } as const;
const TROUBLE = { code: 'E', message: 'm', source: 'agent' } as const;
/** What a caller has to reckon with. */
const EXPECTED: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'CONFLICT',
  'NOT_FOUND',
  'BAD_USER_INPUT',
  'IDEMPOTENCY_KEY_REUSED',
]);

const isExpected = (error: unknown): error is AppError => error instanceof AppError && EXPECTED.has(error.code);

type Delivery = Assignment & { readonly executionId: string };

/** A store whose answers to appends are lost now and then, before or after the write. */
const unreliable = (
  store: EventStore,
  dice: Dice,
  faults: { rate: number; hit(written: boolean): void },
  ignoresConflicts: boolean,
): EventStore => ({
  readStream: store.readStream.bind(store),
  readAll: store.readAll.bind(store),
  head: store.head.bind(store),
  subscribeAll: store.subscribeAll.bind(store),
  close: store.close.bind(store),
  async append(stream, events, { expectedRevision }) {
    const lost = dice.chance(faults.rate);
    const written = dice.chance(0.5);
    const gone = () => {
      faults.hit(written);
      return new AppError('UNAVAILABLE', 'no answer', { retryable: true });
    };
    if (lost && !written) throw gone();
    const result = await store.append(stream, events, { expectedRevision }).catch((error: unknown) => {
      if (!ignoresConflicts || !(error instanceof RevisionConflict)) throw error;
      return store.append(stream, events, { expectedRevision: error.actual });
    });
    if (lost) throw gone();
    return result;
  },
});

/** One time of leadership over the pool's ledger, as `PoolTerm` does it. */
type Writer = {
  readonly writerId: string;
  ledger: PoolLedger;
  read: Position | undefined;
  head: StreamHead;
  readonly electedAt: Position;
  fenced: boolean;
};

type Order = (
  commands: Commands,
  caller: Caller,
  executionId: string,
  input: object,
) => Promise<{ ok: boolean; value?: Accepted }>;

type Follower = { book: WaitBook; read: Position | undefined };

/**
 * The write side of the product as several processes over one store in memory, running executions of random definitions, under clients,
 * people who resolve failed compensations, agents and faults that a seed chooses.
 */
export class ExecutionCampaign {
  /** Parked compensations that a person has retried since the faults ended. */
  readonly #triedAgain = new Set<string>();
  readonly calls: ClientCall[] = [];
  readonly sometimes = new SometimesCounters(MET);
  readonly #clock: FakeClock = fakeClock(undefined, 'immediate');
  readonly #store: EventStore;
  readonly #dice: Dice;
  readonly #processes: readonly Commands[];
  readonly #mutant: Mutant;
  readonly #faults = { rate: 0, hit: (written: boolean) => this.#lost(written) };
  readonly #ids = fakeIds(99);
  readonly #deliveries: Delivery[] = [];
  readonly #executions: string[] = [];
  readonly #workflows: string[] = [];
  readonly #followers: Follower[] = [];
  /** How often an agent does what it is asked, out of 100. */
  readonly #goodAgents: number;
  readonly #underWay: DueWork[] = [];
  #writers: Writer[] = [];
  #ledgerSnapshot: { readonly state: string; readonly read: Position } | undefined;
  #bookSnapshot: { readonly state: string; readonly read: Position } | undefined;

  constructor(seed: number, mutant: Mutant = {}) {
    const random = fakeRandom(seed);
    this.#dice = diceOf(random);
    this.#mutant = mutant;
    this.#goodAgents = 50 + this.#dice.below(40);
    const memory = createMemoryEventStore({ clock: this.#clock });
    this.#store = unreliable(memory, this.#dice, this.#faults, mutant.ignoresConflicts === true);
    const { decide = executionDecider.decide, evolve = executionDecider.evolve } = mutant;
    const decider = { initialState: executionDecider.initialState, decide, evolve };
    const ports = { clock: this.#clock, random };
    const shared = commandsOver(this.#store, ports);
    this.#processes = [0, 1].map((space) => {
      // Each process has its own view of executions; caches take time to make, and of the rest one is enough.
      const executions = new AggregateHandler(this.#store, decider, ports, isFinal, () => 1);
      return { ...shared, ids: fakeIds(space), executions };
    });
  }

  async run(steps: number): Promise<StoredEvent[]> {
    await this.#prepare();
    this.#faults.rate = 0.03;
    for (let step = 0; step < steps; step += 1) {
      this.#clock.advance(1 + this.#dice.below(120));
      await this.#trying(() => this.#step());
    }
    this.#faults.rate = 0;
    await this.#heal();
    return (await this.#store.readAll({ limit: 1_000_000 })).events;
  }

  get #anyProcess(): Commands {
    return this.#dice.one(this.#processes);
  }

  #lost(written: boolean): void {
    this.sometimes.hit(written ? 'unknown append was written' : 'unknown append was not written');
  }

  /** Faults are met, not hidden: whatever else goes wrong is a bug, unless the build is a broken one. */
  async #trying<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (isExpected(error) || Object.keys(this.#mutant).length > 0) return undefined;
      throw error;
    }
  }

  async #prepare(): Promise<void> {
    for (const agentId of AGENTS)
      await registerAgent(this.#anyProcess, CLIENT, {
        agentId,
        capabilities: [{ name: 'work' }],
        maxConcurrency: 1 + this.#dice.below(4),
      });
    for (const definition of SUB_WORKFLOWS) await publishWorkflow(this.#anyProcess, CLIENT, definition);
    for (let n = 0; n < 3; n += 1) {
      const definition = n === 2 ? saga(this.#dice, 'saga') : randomWorkflow(this.#dice, `flow${n}`);
      await publishWorkflow(this.#anyProcess, CLIENT, definition);
      if (n === 0) await publishWorkflow(this.#anyProcess, CLIENT, renamed(definition));
      this.#workflows.push(definition.name);
    }
    await this.#elect();
    this.#followers.push({ book: new WaitBook(), read: undefined }, { book: new WaitBook(), read: undefined });
  }

  async #step(): Promise<void> {
    const roll = this.#dice.below(100);
    if (roll < 7) await this.#start();
    else if (roll < 27) await this.#tick(this.#dice.one(this.#writers));
    else if (roll < 62) await this.#answer();
    else if (roll < 76) await this.#follow(this.#dice.one(this.#followers), this.#dice.chance(0.7));
    else if (roll < 78) await this.#arrive();
    else if (roll < 94) await this.#person();
    else if (roll < 96) await this.#elect();
    else if (roll < 98) this.#restartFollower();
    else this.#clock.advance(this.#dice.one([3_000, 3_000, 40_000]));
  }

  // Clients

  async #start(): Promise<void> {
    const input = {
      workflow: this.#dice.one(this.#workflows),
      version: '1.0.0',
      input: {
        items: Array.from({ length: this.#dice.below(4) }, (_, n) => this.#dice.below(3) * n),
        flag: this.#dice.chance(0.5),
      },
    };
    const idempotencyKey = `start-${this.#dice.below(12)}`;
    const id = await this.#call('StartExecution', idempotencyKey, JSON.stringify(input), (caller) =>
      startExecution(this.#anyProcess, caller, input),
    );
    if (id !== undefined && !this.#executions.includes(id)) this.#executions.push(id);
  }

  /** A call and what its client makes of it. Answers the id that was accepted. */
  async #call(
    scope: string,
    idempotencyKey: string,
    body: string,
    send: (caller: Caller) => Promise<{ ok: boolean; value?: Accepted }>,
  ): Promise<string | undefined> {
    const commandId = commandIdOf(TENANT, scope, idempotencyKey);
    const call = { tenant: TENANT, scope, idempotencyKey, commandId, body };
    try {
      const result = await send({ ...CLIENT, idempotencyKey });
      const answer = result.value ? { executionId: result.value.id, position: result.value.position } : {};
      this.calls.push({ ...call, outcome: result.ok ? 'ok' : 'fail', ...answer });
      return result.value?.id;
    } catch (error) {
      if (!isExpected(error)) throw error;
      this.calls.push({ ...call, outcome: error.retryable ? 'unknown' : 'fail' });
      return undefined;
    }
  }

  /** What a person, or another system, does to an execution. */
  async #person(): Promise<void> {
    const id = this.#dice.one(this.#executions);
    if (id === undefined) return;
    const roll = this.#dice.below(20);
    if (roll < 3) return this.#atTheDesk(id);
    if (roll === 3) return this.#decide(id);
    if (roll === 4) return this.#skipAStep(id);
    if (roll === 5) return this.#forkOrMigrate(id);
    const [name, send, input] = this.#dice.one(this.#orders());
    // A key may be used again with another body: that is refused.
    await this.#call(`${name}/${id}`, `key-${this.#dice.below(50)}`, JSON.stringify(input), (caller) =>
      send(this.#anyProcess, caller, id, input),
    );
  }

  /** Commands that any execution may receive, each as often as its weight. */
  #orders(): [name: string, send: Order, input: object][] {
    const signal: [string, Order, object] = ['SignalExecution', signalExecution, { name: this.#dice.one(EVENTS) }];
    const resume: [string, Order, object] = ['ResumeExecution', resumeExecution, {}];
    const retry: [string, Order, object] = ['RetryExecution', retryExecution, {}];
    const strategy = this.#dice.chance(0.3) ? { strategy: this.#dice.one(['backward', 'cascade', 'parallel']) } : {};
    const pause: [string, Order, object] = ['PauseExecution', pauseExecution, {}];
    return [
      ...[signal, signal, signal, pause, pause, pause, resume, resume, resume, retry, retry],
      ['CancelExecution', cancelExecution, { compensate: this.#dice.chance(0.6), ...strategy }],
    ];
  }

  async #stateOf(executionId: string): Promise<Running | undefined> {
    const stream = executionStream(TENANT, executionId);
    const state = await this.#anyProcess.executions.load(stream, { fresh: true });
    return state.status === 'none' ? undefined : state;
  }

  async #atTheDesk(id: string): Promise<void> {
    const state = await this.#stateOf(id);
    const parked = [...(state?.compensation?.units.values() ?? [])].filter(({ status }) => status === 'parked');
    const compensation = this.#dice.one(parked);
    if (!compensation) return;
    const { unit } = compensation;
    const roll = this.#dice.below(4);
    if (roll < 2) await retryCompensation(this.#anyProcess, CLIENT, id, { unit, ...(roll === 0 ? { input: 7 } : {}) });
    else if (roll === 2) await skipCompensation(this.#anyProcess, CLIENT, id, { unit, reason: 'done by hand' });
    else await handOverCompensation(this.#anyProcess, CLIENT, id, { unit, to: 'ops' });
  }

  async #decide(id: string): Promise<void> {
    const state = await this.#stateOf(id);
    const waits = state?.compiled.steps.filter(({ index }) => state.steps.get(index).waiting?.kind === 'decision');
    for (const { id: step } of waits ?? [])
      await decideStep(this.#anyProcess, CLIENT, id, { step, option: 'approved' });
  }

  async #skipAStep(id: string): Promise<void> {
    const state = await this.#stateOf(id);
    const step = this.#dice.one(state?.compiled.steps ?? []);
    if (step) await skipStep(this.#anyProcess, CLIENT, id, { step: step.id, reason: 'not needed' });
  }

  async #forkOrMigrate(id: string): Promise<void> {
    if (this.#dice.chance(0.6)) {
      const mapping = { a: 'first' };
      await migrateExecutions(this.#anyProcess, CLIENT, 'flow0', { executionIds: [id], version: '2.0.0', mapping });
      return;
    }
    const forked = await forkExecution(this.#anyProcess, this.#store, CLIENT, id, {});
    if (forked.ok) this.#executions.push(forked.value.id);
  }

  // The assigner

  /** Another writer takes over. The one before goes on until it sees that, or meets it. */
  async #elect(): Promise<Writer | undefined> {
    const writerId = this.#ids.next();
    const tail = (await this.#store.readStream(POOL, { direction: 'backwards', limit: 1 }))[0];
    const head: StreamHead = tail ? { revision: tail.revision, hash: tail.metadata.hash } : EMPTY_HEAD;
    const at = new Date(this.#clock.now()).toISOString();
    const elected = { type: 'PoolWriterElected' as const, data: { pool: 'default', writerId, electedAt: at } };
    const events = this.#ledgerEvents(writerId, [elected], head, at);
    const { position } = await this.#store.append(POOL, events, { expectedRevision: head.revision });
    const snapshot = this.#dice.chance(0.5) ? this.#ledgerSnapshot : undefined;
    const writer: Writer = {
      writerId,
      ledger: snapshot ? restoredLedger(snapshot.state) : new PoolLedger('default'),
      read: snapshot?.read,
      head: headAfter(events, head),
      electedAt: position,
      fenced: false,
    };
    this.#writers = [...this.#writers.slice(-1), writer];
    return writer;
  }

  #ledgerEvents(writerId: string, events: Parameters<typeof encodeEvents>[2], head: StreamHead, at: string) {
    const commandId = this.#ids.next();
    const actor = `assigner:${writerId}`;
    const context = { tenant: TENANT, commandId, correlationId: commandId, causationId: commandId, actor, at };
    return encodeEvents(POOL, context, events, head);
  }

  async #catchUp(writer: Writer, limit = 1_000_000): Promise<void> {
    const after = writer.read === undefined ? {} : { after: writer.read };
    const { events } = await this.#store.readAll({ ...after, limit });
    for (const event of events) {
      writer.read = event.position;
      if (event.type === 'PoolWriterElected' && event.position > writer.electedAt) writer.fenced = true;
      const own = event.stream === POOL && event.metadata.actor === `assigner:${writer.writerId}`;
      if (!own) writer.ledger.evolve(decodeEvent(event) as LedgerEvent);
    }
  }

  async #tick(writer: Writer): Promise<void> {
    if (this.#dice.chance(0.75)) await this.#catchUp(writer, this.#dice.one([5, 1_000_000]));
    if (writer.fenced) {
      if (this.#writers.every(({ fenced }) => fenced)) await this.#elect();
      return;
    }
    if ((writer.read ?? -1n) < writer.electedAt) return;
    const nowMs = this.#clock.now();
    for (const timer of writer.ledger.dueTimers(nowMs, 1_000)) {
      if (timer.kind === 'release') await this.#trying(() => releaseTask(this.#anyProcess, DISPATCHER, timer));
      else if (timer.kind === 'attemptExpired')
        await this.#trying(() =>
          failAttempt(this.#anyProcess, DISPATCHER, timer, { error: { ...NO_ANSWER, retryable: true } }),
        );
    }
    await this.#assign(writer, nowMs);
  }

  async #assign(writer: Writer, nowMs: number): Promise<void> {
    if (writer.read !== undefined && this.#dice.chance(0.1))
      this.#ledgerSnapshot = { state: savedLedger(writer.ledger), read: writer.read };
    const assignments = writer.ledger.assign(nowMs, 5);
    if (assignments.length === 0) return;
    // Meanwhile, something else may happen.
    if (this.#dice.chance(0.2)) await this.#trying(() => this.#person());
    const at = new Date(nowMs).toISOString();
    const assigned = { type: 'TasksAssigned' as const, data: { pool: 'default', assignments, assignedAt: at } };
    const events = this.#ledgerEvents(writer.writerId, [assigned], writer.head, at);
    const deliveries = assignments.map((assignment) => ({
      ...assignment,
      executionId: writer.ledger.executionOf(assignment.taskId) as string,
    }));
    try {
      await this.#store.append(POOL, events, { expectedRevision: writer.head.revision });
      writer.head = headAfter(events, writer.head);
      writer.ledger.recorded(assignments);
      this.#deliveries.push(...deliveries);
    } catch (error) {
      if (!(error instanceof RevisionConflict) && !isExpected(error)) throw error;
      // Its ledger no longer mirrors the log.
      if (error instanceof RevisionConflict) this.sometimes.hit('assigner fenced by another');
      writer.fenced = true;
      await this.#trying(() => this.#elect());
    }
  }

  // Dispatchers and agents

  async #answer(): Promise<void> {
    const recent = this.#dice.chance(0.8) ? this.#deliveries.slice(-8) : this.#deliveries;
    const delivery = this.#dice.one(recent);
    if (!delivery) return;
    const answers = this.#dice.chance(0.15) ? 2 : 1;
    await Promise.all(Array.from({ length: answers }, () => this.#trying(() => this.#answerTo(delivery))));
  }

  async #answerTo(delivery: Delivery): Promise<void> {
    const roll = this.#dice.below(100);
    const commands = this.#anyProcess;
    const outcome = { result: { roll }, durationMs: 1 };
    const error = { ...(this.#dice.chance(0.4) ? NO_ANSWER : TROUBLE), retryable: this.#dice.chance(0.6) };
    const close = () =>
      roll < this.#goodAgents
        ? completeAttempt(commands, DISPATCHER, delivery, outcome)
        : roll < 97
          ? failAttempt(commands, DISPATCHER, delivery, { error })
          : markOutcomeUnknown(commands, DISPATCHER, delivery, { ...error, retryable: false });
    // A dispatcher keeps the answer of an agent.
    const result = await close().catch((failure: unknown) => {
      if (!(failure instanceof AppError) || !failure.retryable) throw failure;
      return close();
    });
    if (result.ok) return;
    const state = await commands.executions.load(executionStream(TENANT, delivery.executionId));
    if (result.rejection.reason === 'StaleAttempt') this.sometimes.hit('stale completion refused');
    if (state.status !== 'none' && isFinal(state)) this.sometimes.hit('late result after the end refused');
  }

  // The follower of executions

  async #follow(follower: Follower, toTheEnd: boolean): Promise<void> {
    const after = follower.read === undefined ? {} : { after: follower.read };
    const { events } = await this.#store.readAll({ ...after, limit: toTheEnd ? 1_000_000 : 5 });
    for (const event of events) {
      if (event.stream.startsWith(executionStream(TENANT, '')))
        follower.book.evolve(decodeEvent(event) as ExecutionEvent);
      follower.read = event.position;
    }
    const due: DueWork[] = [];
    // Some of it is done much later: the call was under way while other things happened.
    for (const work of follower.book.due(this.#clock.now(), 1_000))
      (this.#dice.chance(0.2) ? this.#underWay : due).push(work);
    if (this.#dice.chance(0.5)) await Promise.all(due.map((work) => this.#carryOut(work)));
    else for (const work of due) await this.#carryOut(work);
    if (follower.read !== undefined && this.#dice.chance(0.2))
      this.#bookSnapshot = { state: JSON.stringify(follower.book.snapshot()), read: follower.read };
  }

  #carryOut(work: DueWork): Promise<void> {
    return this.#trying(() => (this.#mutant.carryOut ?? carryOut)(this.#anyProcess, TENANT, work));
  }

  async #arrive(): Promise<void> {
    const [work] = this.#underWay.splice(this.#dice.below(this.#underWay.length), 1);
    if (work) await this.#carryOut(work);
  }

  #restartFollower(): void {
    const snapshot = this.#dice.chance(0.5) ? this.#bookSnapshot : undefined;
    const state = snapshot && (JSON.parse(snapshot.state) as WaitBookSnapshot);
    this.#followers[this.#dice.below(2)] = { book: new WaitBook(state), read: snapshot?.read };
  }

  // The end

  /** Faults end, people see to what waits for them, and everything that is open gets its time. */
  async #heal(): Promise<void> {
    await this.#elect();
    const follower: Follower = { book: new WaitBook(), read: undefined };
    let seen = -1n;
    for (let round = 0; round < 300; round += 1) {
      const writer = this.#writers.at(-1) as Writer;
      await this.#catchUp(writer);
      await this.#trying(() => this.#tick(writer));
      for (const { taskId, attempt, agentId, executionId } of writer.ledger.openAssignments())
        await this.#trying(() =>
          completeAttempt(
            this.#anyProcess,
            DISPATCHER,
            { taskId, attempt, agentId, executionId },
            { result: null, durationMs: 1 },
          ),
        );
      await this.#follow(follower, true);
      if (round % 4 === 3) {
        const head = (await this.#store.head()) ?? 0n;
        const quiet = head === seen;
        seen = head;
        if (quiet && !(await this.#attend())) return;
      }
      this.#clock.advance(11_000);
    }
  }

  /** A person tries a parked compensation again, and does it by hand when that does not help. */
  async #closeParked(executionId: string, unit: string): Promise<void> {
    const tried = this.#triedAgain.has(`${executionId} ${unit}`);
    this.#triedAgain.add(`${executionId} ${unit}`);
    if (tried) await skipCompensation(this.#anyProcess, CLIENT, executionId, { unit, reason: 'done by hand' });
    else await retryCompensation(this.#anyProcess, CLIENT, executionId, { unit });
  }

  /** Gives every execution what it waits for; answers whether any did. */
  async #attend(): Promise<boolean> {
    let attended = false;
    const { events } = await this.#store.readAll({ limit: 1_000_000 });
    const ids = events
      .filter(({ type }) => type === 'ExecutionStarted')
      .map(({ data }) => data as { executionId: string });
    for (const { executionId } of ids) {
      const state = await this.#stateOf(executionId);
      if (!state || isFinal(state) || state.status === 'failed') continue;
      attended = true;
      await this.#trying(async () => {
        if (statusOf(state) === 'paused') await resumeExecution(this.#anyProcess, CLIENT, executionId);
        await this.#decide(executionId);
        for (const name of EVENTS) await signalExecution(this.#anyProcess, CLIENT, executionId, { name });
        for (const { unit, status } of state.compensation?.units.values() ?? [])
          if (status === 'parked') await this.#closeParked(executionId, unit);
      });
    }
    return attended;
  }
}
