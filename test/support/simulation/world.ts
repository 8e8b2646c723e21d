import { registerAgent } from '../../../src/commands/agent/register-agent.ts';
import type { Accepted, Caller } from '../../../src/commands/context.ts';
import { cancelExecution } from '../../../src/commands/execution/cancel-execution.ts';
import { startExecution } from '../../../src/commands/execution/start-execution.ts';
import { cancelTask } from '../../../src/commands/task/cancel-task.ts';
import { submitTask } from '../../../src/commands/task/submit-task.ts';
import { publishWorkflow } from '../../../src/commands/workflow/publish-workflow.ts';
import { commandIdOf, taskStream } from '../../../src/domain/ids.ts';
import type { Result } from '../../../src/domain/result.ts';
import { createMemoryEventStore } from '../../../src/eventstore/memory-event-store.ts';
import type { ClientCall } from '../../../src/invariants/invariants.ts';
import { AppError } from '../../../src/platform/errors.ts';
import { COMMAND_TIMEOUT_MS } from '../../../src/platform/redis.ts';
import { type Dice, diceOf } from '../executions-definitions.ts';
import { fakeRandom } from '../fake-ports.ts';
import { appendFromNewerBuild } from '../newer-build.ts';
import { SimNode, TENANT } from './node.ts';
import { OpenWork } from './open-work.ts';
import { type Plan, planOf, type Trouble } from './plan.ts';
import { rightTime } from './process.ts';
import { NO_FAULTS, SimServer } from './server.ts';
import { SimAgents, WELL_BEHAVED } from './sim-agents.ts';
import { SimLog } from './sim-event-store.ts';
import { SimPostgres } from './sim-postgres.ts';
import { SimRedis } from './sim-redis.ts';
import { Timeline } from './timeline.ts';

const CLIENT: Caller = { tenant: TENANT, actor: 'client' };
const BEAT_EVERY_MS = 2_000;
/** What heartbeats say of the load changes this often. */
const LOAD_LASTS_MS = 7_000;
const HEARTBEAT_INTERVAL_MS = 5_000;
/** How long everything gets to finish once the faults have ended. */
const HEAL_MS = 20 * 60_000;
/** About as long as a task takes to be accepted, and far less than it takes to be done. */
const AFTER_MS = 20;
const HEAL_STEP_MS = 5_000;

type Send = (node: SimNode, caller: Caller) => Promise<Result<Accepted, { readonly reason: string }>>;

/**
 * Processes of the product, its stores and its agents in one simulated time: what happens follows from a seed. Clients and faults come for
 * a while; then the faults end, and everything gets time to finish.
 */
export class World {
  readonly plan: Plan;
  readonly timeline = new Timeline();
  readonly agents: SimAgents;
  readonly calls: ClientCall[] = [];
  readonly log: SimLog;
  /** Ids of streams that hold an event of a newer build. */
  readonly unreadable = new Set<string>();
  readonly #store;
  readonly #dice: Dice;
  readonly #servers: Record<'log' | 'postgres' | 'redis', SimServer>;
  readonly #postgres: SimPostgres;
  readonly #redis: SimRedis;
  readonly #open = new OpenWork();
  readonly #nodes: SimNode[] = [];
  readonly #taskIds: string[] = [];
  readonly #executionIds: string[] = [];
  /** Of the machines' wall clocks, by process. */
  readonly #wallOffsets: number[] = [];
  #seeds: number;

  constructor(seed: number, troubles?: readonly Trouble[]) {
    const { timeline } = this;
    this.#seeds = seed * 1_000;
    this.#dice = diceOf(fakeRandom(seed));
    this.plan = planOf(this.#dice, troubles);
    const serverOf = (name: string, timeoutMs: number, serviceMs = 0) =>
      new SimServer({ name, timeline, dice: this.#dice, timeoutMs, serviceMs });
    this.#servers = {
      log: serverOf('the log', 10_000, this.plan.logServiceMs),
      postgres: serverOf('Postgres', 5_000),
      redis: serverOf('Redis', COMMAND_TIMEOUT_MS),
    };
    this.#store = createMemoryEventStore({ clock: { now: () => rightTime(timeline) } });
    this.log = new SimLog(this.#store, this.#servers.log, timeline);
    this.#postgres = new SimPostgres(this.#servers.postgres, timeline);
    this.#redis = new SimRedis(this.#servers.redis, timeline);
    this.agents = new SimAgents(timeline, this.#dice, (call) => this.#open.read(this.log.events).isAssigned(call));
  }

  async run(): Promise<void> {
    const { plan, timeline } = this;
    for (let index = 0; index < plan.nodes; index += 1) this.#startNode(index);
    await timeline.advance(100);
    await this.#prepare();
    for (const { atMs, action } of plan.actions) {
      await timeline.advance(atMs);
      this.#do(action);
    }
    await timeline.advance(plan.calmFromMs);
    this.#heal();
    const untilMs = plan.calmFromMs + HEAL_MS;
    for (let atMs = plan.calmFromMs; atMs < untilMs; ) {
      atMs += HEAL_STEP_MS;
      await timeline.advance(atMs);
      if (this.#open.read(this.log.events).isEmpty(this.unreadable)) break;
    }
    for (const { process } of this.#nodes) process.kill();
    await this.log.close();
  }

  get endedMs(): number {
    return this.timeline.nowMs;
  }

  #startNode(index: number): void {
    const node = new SimNode(
      { timeline: this.timeline, log: this.log, postgres: this.#postgres, redis: this.#redis, agents: this.agents },
      { name: `node-${index}`, seed: ++this.#seeds, dispatchConcurrency: this.plan.dispatchConcurrency },
    );
    node.process.wallOffsetMs = this.#wallOffsets[index] ?? 0;
    this.#nodes[index] = node;
    void node.run();
  }

  /** Agents and workflows, before anything goes wrong. */
  async #prepare(): Promise<void> {
    const node = this.#nodes[0] as SimNode;
    const work: Promise<unknown>[] = [];
    for (const { agentId, maxConcurrency, delivery, beats } of this.plan.agents) {
      const heartbeat = beats ? { heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS } : {};
      const capabilities = [{ name: 'work' }];
      const input = { agentId, maxConcurrency, delivery, capabilities, cardUrl: 'http://agent.test/', ...heartbeat };
      work.push(registerAgent(node.commands, CLIENT, input));
      if (beats) this.#beat(agentId);
    }
    for (const definition of this.plan.workflows) work.push(publishWorkflow(node.commands, CLIENT, definition));
    const done = Promise.all(work);
    let isDone = false;
    void done.then(() => {
      isDone = true;
    });
    await this.timeline.advance(10_000, () => isDone);
    await done;
    Object.assign(this.agents.manners, this.plan.manners);
    Object.assign(this.#servers.log.faults, this.plan.logFaults);
  }

  /** An agent sends its heartbeats to any process that takes them. */
  #beat(agentId: string): void {
    const node = this.#nodes.find(({ process }) => process.alive && !process.suspended);
    const load = (Math.floor(this.timeline.nowMs / LOAD_LASTS_MS) % 11) / 10;
    if (node) node.heartbeats.beat(TENANT, [{ agentId, signs: { load } }], node.process.clock.now()).catch(() => {});
    this.timeline.after(BEAT_EVERY_MS, undefined, () => this.#beat(agentId));
  }

  get #anyNode(): SimNode | undefined {
    const running = this.#nodes.filter(({ process }) => process.alive && !process.suspended);
    return running.length === 0 ? undefined : this.#dice.one(running);
  }

  #do(action: Plan['actions'][number]['action']): void {
    switch (action.kind) {
      case 'submit':
        this.#submit(action.key, action.input);
        if (this.plan.troubles.has('dependencies')) this.#submitAfter(action.key, action.input);
        break;
      case 'start':
        this.#start(action.key, action.name, action.input);
        break;
      case 'cancelTask':
        this.#cancel('CancelTask', this.#taskIds, (node, caller, id) => cancelTask(node.commands, caller, id));
        break;
      case 'cancelExecution':
        this.#cancel('CancelExecution', this.#executionIds, (node, caller, id) =>
          cancelExecution(node.commands, caller, id, { compensate: true }),
        );
        break;
      case 'pause':
        this.#servers[action.store].pause(action.forMs);
        break;
      case 'flush':
        this.#redis.flush();
        break;
      case 'drop':
        this.log.dropSubscriptions();
        break;
      case 'suspend':
        for (const node of action.all ? this.#nodes : [this.#dice.one(this.#nodes)]) node.process.suspend(action.forMs);
        break;
      case 'kill':
        this.#kill(action.forMs);
        break;
      case 'step':
        this.#stepClocks(action.all ? this.#nodes.keys() : [this.#dice.below(this.#nodes.length)], action.byMs);
        break;
      case 'newerEvent':
        this.#appendNewer(action.isKnownType);
        break;
    }
  }

  #submit(idempotencyKey: string, input: Readonly<Record<string, unknown>>): void {
    const { deadlineMs, ...facts } = input;
    const deadline =
      deadlineMs === undefined
        ? {}
        : { deadlineAt: new Date(rightTime(this.timeline) + Number(deadlineMs)).toISOString() };
    const body = { ...facts, ...deadline };
    const commandId = commandIdOf(TENANT, 'SubmitTask', idempotencyKey);
    const call = { scope: 'SubmitTask', idempotencyKey, commandId, body: JSON.stringify(body) };
    this.#call(call, this.#taskIds, (node, caller) => submitTask(node.commands, caller, body));
  }

  /** No dice: what else happens stays the same. */
  #submitAfter(key: string, input: Readonly<Record<string, unknown>>): void {
    for (const [index, suffix] of ['then', 'finally'].entries())
      this.timeline.after((index + 1) * AFTER_MS, undefined, () => {
        const dependsOn = this.#taskIds.slice(-2);
        if (dependsOn.length > 0) this.#submit(`${key}-${suffix}`, { ...input, dependsOn });
      });
  }

  #start(idempotencyKey: string, name: string, input: unknown): void {
    const commandId = commandIdOf(TENANT, 'StartExecution', idempotencyKey);
    const call = { scope: 'StartExecution', idempotencyKey, commandId, body: JSON.stringify(input) };
    this.#call(call, this.#executionIds, (node, caller) =>
      startExecution(node.commands, caller, { workflow: name, input }),
    );
  }

  #cancel(
    command: string,
    ids: readonly string[],
    send: (node: SimNode, caller: Caller, id: string) => ReturnType<Send>,
  ): void {
    if (ids.length === 0) return;
    const id = this.#dice.one(ids);
    const idempotencyKey = 'cancel';
    const scope = `${command}/${id}`;
    this.#call(
      { scope, idempotencyKey, commandId: commandIdOf(TENANT, scope, idempotencyKey), body: '' },
      [],
      (node, caller) => send(node, caller, id),
    );
  }

  #call(
    call: Pick<ClientCall, 'scope' | 'commandId' | 'body'> & { readonly idempotencyKey: string },
    ids: string[],
    send: Send,
  ): void {
    const node = this.#anyNode;
    if (!node) return;
    const seen = { tenant: TENANT, ...call, outcome: 'unknown' as const };
    // Stands for ever when the process that was asked is killed.
    const at = this.calls.push(seen) - 1;
    send(node, { ...CLIENT, idempotencyKey: call.idempotencyKey }).then(
      (result) => {
        const id = result.ok ? result.value.id : undefined;
        if (id !== undefined && !ids.includes(id)) ids.push(id);
        this.calls[at] = result.ok
          ? { ...seen, outcome: 'ok', position: result.value.position }
          : { ...seen, outcome: 'fail' };
      },
      (error: unknown) => {
        const isUnknown = error instanceof AppError && error.retryable;
        this.calls[at] = { ...seen, outcome: isUnknown ? 'unknown' : 'fail' };
      },
    );
  }

  #stepClocks(indexes: Iterable<number>, byMs: number): void {
    for (const index of indexes) {
      const offsetMs = (this.#wallOffsets[index] ?? 0) + byMs;
      this.#wallOffsets[index] = offsetMs;
      (this.#nodes[index] as SimNode).process.wallOffsetMs = offsetMs;
    }
  }

  #kill(forMs: number): void {
    const index = this.#dice.below(this.#nodes.length);
    const node = this.#nodes[index] as SimNode;
    if (!node.process.alive) return;
    node.process.kill();
    this.timeline.after(forMs, undefined, () => this.#startNode(index));
  }

  /** In the stream of a task, as a newer build may write it. */
  #appendNewer(isKnownType: boolean): void {
    const taskId = this.#taskIds.at(-1);
    if (taskId === undefined) return;
    const event = isKnownType
      ? { type: 'TaskProgressReported', schemaVersion: 99, data: { taskId } }
      : { type: 'TaskDelegated', data: { taskId } };
    this.unreadable.add(taskId);
    void appendFromNewerBuild(this.#store, taskStream(TENANT, taskId), event).catch(() =>
      this.unreadable.delete(taskId),
    );
  }

  #heal(): void {
    Object.assign(this.agents.manners, WELL_BEHAVED);
    for (const server of Object.values(this.#servers)) {
      Object.assign(server.faults, NO_FAULTS);
      if (server.paused) server.resume();
    }
    for (const { process } of this.#nodes) process.resume();
  }
}
