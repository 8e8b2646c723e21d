import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Baton } from '../../../baton.ts';
import type { ExecutionStreamEvent } from '../../../domain/execution/events.ts';
import { DEFAULT_TENANT, executionStream } from '../../../domain/ids.ts';
import type { Json } from '../../../domain/json.ts';
import { decodeEvent } from '../../../eventstore/codec.ts';
import type { EventStore } from '../../../eventstore/event-store.ts';
import { CAPABILITY, type Model, POOL } from './model.ts';

/** The result of a run. */
export type Run = {
  readonly executionId: string;
  readonly status: string;
  /** All of its stream, in order. */
  readonly events: readonly ExecutionStreamEvent[];
  /** How long each task's call slept, in the order of the tasks; a task that was not called slept 0. */
  readonly sleptMs: readonly number[];
};

type Sleeping = { readonly sleepsMs: readonly number[]; readonly sleptMs: number[]; readonly onEnd: () => void };

/** Runs models one at a time on a Baton of this process, with agents that only sleep. */
export class Simulator {
  readonly #baton: Baton;
  readonly #store: Pick<EventStore, 'readStream'>;
  #agents = 0;
  #runs = 0;
  #sleeping: Sleeping | undefined;

  constructor(baton: Baton, store: Pick<EventStore, 'readStream'>) {
    this.#baton = baton;
    this.#store = store;
  }

  /**
   * One agent that takes so many calls at a time stands for that many: with an agent for each, routing looks at all of them for every
   * task, which for 1,000 costs 16 ms a task (measured) and would be all that a simulation shows.
   */
  async useAgents(count: number): Promise<void> {
    if (this.#agents === count) return;
    const agent = {
      agentId: 'simulator',
      pool: POOL,
      capabilities: [{ name: CAPABILITY }],
      maxConcurrency: count,
    };
    await this.#baton.agent(agent, (input) => this.#call(input));
    this.#agents = count;
  }

  /** Runs a few tasks, so that leases are taken and code is compiled before anything is measured. */
  async warmUp(): Promise<void> {
    const tasks = Array.from({ length: 40 }, (_, index) => ({
      id: `t${index}`,
      role: 'simulator',
      dependsOn: index < 4 ? [] : [`t${index - 4}`],
      input: { task: index },
    }));
    const agents = { simulator: { capability: CAPABILITY, pool: POOL } };
    const definition = { name: 'warm-up', version: '1.0.0', agents, tasks };
    await this.run({ definition, runtimesMs: tasks.map(() => 1), assumed: 0, agents: 4 }, { speedup: 1 });
  }

  /** @param onEnd called when a task's call is over */
  async run(
    { definition, runtimesMs, agents }: Model,
    { speedup, onEnd = () => {} }: { readonly speedup: number; readonly onEnd?: () => void },
  ): Promise<Run> {
    if (this.#sleeping !== undefined) throw new Error('a simulation is already running');
    await this.useAgents(agents);
    this.#runs += 1;
    const sleepsMs = runtimesMs.map((runtimeMs) => runtimeMs / speedup);
    const sleptMs = sleepsMs.map(() => 0);
    this.#sleeping = { sleepsMs, sleptMs, onEnd };
    try {
      const { name } = await this.#baton.publish({ ...definition, version: `1.0.${this.#runs}` });
      const { executionId } = await this.#baton.start({ workflow: name, version: `1.0.${this.#runs}` });
      const { status } = await this.#baton.executions.wait(DEFAULT_TENANT, executionId);
      const stored = await this.#store.readStream(executionStream(DEFAULT_TENANT, executionId));
      const events = stored.map((event) => decodeEvent(event) as ExecutionStreamEvent);
      return { executionId, status, events, sleptMs };
    } finally {
      this.#sleeping = undefined;
    }
  }

  async #call(input: Json): Promise<Json> {
    const { task } = input as { readonly task: number };
    const { sleepsMs, sleptMs, onEnd } = this.#sleeping ?? { sleepsMs: [], sleptMs: [], onEnd: () => {} };
    const sleepMs = sleepsMs[task] ?? 0;
    const startedAt = performance.now();
    if (sleepMs > 0) await sleep(sleepMs);
    sleptMs[task] = performance.now() - startedAt;
    onEnd();
    return null;
  }
}
