import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { accepted, RegisterAgent, SubmitTask, type TypedDocument } from 'baton-client';
import type { Client } from '#baton/cli/client.js';
import { startAgent } from './child.ts';
import { type Bench, Figures } from './harness.ts';
import { withServer } from './with-baton.ts';

const WARM_UP = 200;
const TASKS = 300;
/** The server has nothing to do when the next task comes. */
const PAUSE_MS = 60;
/** Of the function in the server, and of the agent over the network. */
const CAPABILITIES = { function: 'noop', a2a: 'remote' } as const;
const STAGES = { TaskSubmitted: 'submitted', TaskAssigned: 'assigned', TaskCompleted: 'completed' } as const;
type Stage = keyof typeof STAGES;

type Changes = { tasksChanged: { changes: readonly { taskId: string; entry: { type: Stage } }[] } };
/** As a dashboard follows all tasks. */
const FOLLOW = 'subscription { tasksChanged { changes { taskId entry { type } } } }' as TypedDocument<
  Changes,
  Record<string, never>
>;

/** When one subscriber hears of the changes of a task, over server-sent events. */
class Listener {
  readonly #stop = new AbortController();
  readonly #heardAt = new Map<string, number>();
  readonly #running: Promise<void>;
  #wake = (): void => {};

  constructor(client: Client) {
    this.#running = this.#run(client);
  }

  async heardAt(taskId: string, stage: Stage): Promise<number> {
    const key = `${taskId} ${stage}`;
    while (!this.#heardAt.has(key))
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.#heardAt.get(key)!;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(client: Client): Promise<void> {
    for await (const { tasksChanged } of client.subscribe(FOLLOW, {}, { signal: this.#stop.signal })) {
      const at = performance.now();
      for (const { taskId, entry } of tasksChanged.changes) this.#heardAt.set(`${taskId} ${entry.type}`, at);
      this.#wake();
    }
  }
}

type Samples = Record<'answered' | (typeof STAGES)[Stage], number[]>;

/** One task after the other, each on a server at rest. */
const measure = async (client: Client, capability: string, total: number): Promise<Samples> => {
  const listener = new Listener(client);
  const samples: Samples = { answered: [], submitted: [], assigned: [], completed: [] };
  for (let index = 0; index < total; index += 1) {
    await sleep(PAUSE_MS);
    const startedAt = performance.now();
    const { id } = accepted(await client.execute(SubmitTask, { input: { capability, input: { n: index } } }));
    samples.answered.push(performance.now() - startedAt);
    for (const [stage, name] of Object.entries(STAGES))
      samples[name].push((await listener.heardAt(id, stage as Stage)) - startedAt);
  }
  await listener.stop();
  return samples;
};

export const live: Bench = {
  question: 'On a server at rest, when does a subscriber hear of what happens to a task, counted from its submission?',
  async run({ runs, say, stores }) {
    const figures = new Figures();
    const [agent, cardUrl] = await startAgent();
    try {
      for (let run = 1; run <= runs; run += 1) {
        say(`run ${run} of ${runs}`);
        await withServer(stores, async (client) => {
          const capabilities = [{ name: CAPABILITIES.a2a }];
          accepted(await client.execute(RegisterAgent, { input: { agentId: 'remote', cardUrl, capabilities } }));
          for (const [kind, capability] of Object.entries(CAPABILITIES)) {
            await measure(client, capability, WARM_UP);
            const samples = await measure(client, capability, TASKS);
            for (const [name, values] of Object.entries(samples)) figures.addPercentiles(`${kind}.${name}Ms`, values);
          }
        });
      }
    } finally {
      await agent.stop();
    }
    return { runs, figures: figures.spreads(), ratios: {} };
  },
};
