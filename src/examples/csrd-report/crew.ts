import { extname } from 'node:path';
import type { Baton } from '../../baton.ts';
import { deregisterAgent } from '../../commands/agent/deregister-agent.ts';
import { registerAgent } from '../../commands/agent/register-agent.ts';
import { DEFAULT_TENANT } from '../../domain/ids.ts';
import { AppError } from '../../platform/errors.ts';
import { type AgentProcess, allStarted, spawnAgent } from '../agent/spawn-agent.ts';
import { definition } from './definition.ts';
import { STEPS, type Step, WORKERS } from './steps.ts';

/** Run from source, it starts sources; run from dist, it starts dist. */
const SCRIPT = new URL(`./agent${extname(import.meta.url)}`, import.meta.url);

export const caller = { tenant: DEFAULT_TENANT, actor: 'csrd-report' };

/** The capability that a step requires. */
const capabilityOf = (step: Step): string | undefined => definition.tasks.find(({ id }) => id === step)?.capability;

/** The five agents of a run, each its own process. */
export class Crew {
  readonly #baton: Baton;
  readonly #agents: readonly AgentProcess[];

  private constructor(baton: Baton, agents: readonly AgentProcess[]) {
    this.#baton = baton;
    this.#agents = agents;
  }

  /** The agent of `failAt` refuses its step. */
  static async start(baton: Baton, folder: string, failAt: Step | undefined): Promise<Crew> {
    const start = (step: Step): Promise<AgentProcess> => {
      const refuse = step === failAt ? capabilityOf(step) : undefined;
      return spawnAgent(SCRIPT, { agentId: WORKERS[step].agentId, refuse }, [step, folder]);
    };
    return new Crew(baton, await allStarted(STEPS.map(start)));
  }

  async register(): Promise<void> {
    for (const [index, step] of STEPS.entries()) {
      const { agentId, delivery } = WORKERS[step];
      const cardUrl = this.#agents[index]?.cardUrl;
      // The ids are the same in each run, so `replace` takes over what a killed run left behind.
      const input = { agentId, cardUrl, delivery, labels: { example: 'csrd-report' }, replace: true };
      const result = await registerAgent(this.#baton.commands, caller, input);
      if (!result.ok)
        throw new AppError('REJECTED', `registration of ${agentId} was rejected: ${result.rejection.reason}`);
    }
  }

  async deregister(): Promise<void> {
    const reason = { reason: 'end of the example' };
    for (const { agentId } of this.#agents) await deregisterAgent(this.#baton.commands, caller, agentId, reason);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.stop()));
  }
}
