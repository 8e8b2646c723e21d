import type { Agent } from '../agent/agent-server.ts';
import { accountant } from './agents/accountant.ts';
import { collector } from './agents/collector.ts';
import { publisher } from './agents/publisher.ts';
import { validator } from './agents/validator.ts';
import { writer } from './agents/writer.ts';
import type { WorkFolder } from './work-folder.ts';

/** In the order of `definition.yaml`. */
export const STEPS = ['collect', 'validate', 'calculate', 'generate', 'publish'] as const;
export type Step = (typeof STEPS)[number];

type Worker = {
  readonly agentId: string;
  /** What the agent promises about repeated calls; see docs/guides/agents.md. */
  readonly delivery: 'at_least_once' | 'effectively_once';
  readonly agent: (folder: WorkFolder) => Agent;
};

/** Which agent does a step and compensates it. Each agent's first skill is the step, its second the compensation. */
export const WORKERS: Readonly<Record<Step, Worker>> = {
  collect: { agentId: 'csrd-collector', delivery: 'at_least_once', agent: collector },
  validate: { agentId: 'csrd-validator', delivery: 'at_least_once', agent: validator },
  calculate: { agentId: 'csrd-accountant', delivery: 'effectively_once', agent: accountant },
  generate: { agentId: 'csrd-writer', delivery: 'at_least_once', agent: writer },
  publish: { agentId: 'csrd-publisher', delivery: 'at_least_once', agent: publisher },
};

export const isStep = (name: string): name is Step => STEPS.some((step) => step === name);
