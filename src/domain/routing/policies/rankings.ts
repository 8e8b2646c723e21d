import { type Candidate, confidenceIn, loadFactor, type Ranking, specialisationsIn, type Terms } from '../candidate.ts';

const MS_PER_HOUR = 3_600_000;

const spare = ({ open, maxConcurrency }: Candidate): number => Math.max(0, maxConcurrency - open);
const utilisation = ({ open, maxConcurrency }: Candidate): number => open / maxConcurrency;

/** A ranking whose score is the sum of its terms. */
const sumOfTerms = (
  facts: Pick<Ranking, 'name' | 'best'>,
  terms: (agent: Candidate, capability: string) => Terms,
): Ranking => ({
  ...facts,
  terms,
  score: (agent, capability) => {
    let sum = 0;
    for (const term of Object.values(terms(agent, capability))) sum += term;
    return sum;
  },
});

/** The smallest load factor (requirements 1.3). */
export const byLoad: Ranking = {
  name: 'load',
  best: 'lowest',
  score: loadFactor,
  terms: ({ open, errorRate }) => ({ load: Math.min(1, open / 100), errors: 0.5 * errorRate }),
};

/** By load, and also among the specialists of each kind of the work. */
export const specialistsByLoad: Ranking = { ...byLoad, name: 'specialists', shelves: specialisationsIn };

/** Suitability (requirements 1.0), not clamped: above 1 agents still differ. */
export const bySuitability = sumOfTerms({ name: 'suitability', best: 'highest' }, (agent, capability) => ({
  base: 0.5,
  confidence: 0.4 * confidenceIn(agent, capability),
  success: 0.3 * (1 - agent.errorRate),
  tasks: 0.2 * Math.max(0, 1 - agent.open / 10),
  time: 0.1 * Math.max(0, 1 - (agent.averageMs ?? 0) / 1_000),
}));

/** Load factor of the load balancer (requirements 1.0). The machine's load stands for its three resources. */
export const byBalancedLoad = sumOfTerms({ name: 'balanced_load', best: 'lowest' }, ({ open, load, errorRate }) => ({
  tasks: 0.4 * (open / 5),
  machine: 0.35 * (load ?? 0),
  performance: 0.25 * errorRate,
}));

export const byCompleted = sumOfTerms({ name: 'completed', best: 'lowest' }, ({ completed }) => ({ completed }));

export const byUtilisation = sumOfTerms({ name: 'utilisation', best: 'lowest' }, (agent) => ({
  utilisation: utilisation(agent),
}));

/** Performance · free slots − error rate − open attempts (requirements 1.2); performance is the moving average of success. */
export const byPerformance = sumOfTerms({ name: 'performance', best: 'highest' }, (agent) => ({
  performance: (1 - agent.errorRate) * spare(agent),
  errors: -agent.errorRate,
  open: -agent.open,
}));

/** Cost factor · (average time · complexity / 3600) · (1 + open/max) (requirements 1.2) of a task of complexity 1. */
export const byCost: Ranking = {
  name: 'cost',
  best: 'lowest',
  score: (agent) => (agent.costFactor ?? 0) * ((agent.averageMs ?? 0) / MS_PER_HOUR) * (1 + utilisation(agent)),
  terms: (agent) => ({
    costFactor: agent.costFactor ?? 0,
    hours: (agent.averageMs ?? 0) / MS_PER_HOUR,
    utilisation: utilisation(agent),
  }),
};

/** When it would probably be done: average time · (1 + open/max). One that was never measured is tried first. */
export const byFinish: Ranking = {
  name: 'finish',
  best: 'lowest',
  score: (agent) => (agent.averageMs ?? 0) * (1 + utilisation(agent)),
  terms: (agent) => ({ averageMs: agent.averageMs ?? 0, utilisation: utilisation(agent) }),
};
