import { loadFactor, type Weighting } from '../candidate.ts';

/** Error rate from which an agent gets no critical work while another can take it (requirements 1.3). */
const RELIABLE_BELOW = 0.05;

export const even: Weighting = { name: 'even', weight: () => 1 };

export const reliable: Weighting = {
  name: 'reliable',
  weight: ({ errorRate }) => (errorRate < RELIABLE_BELOW ? 1 : 0),
};

/** Weight · (1 − load factor) (requirements 1.3). */
export const spareWeight: Weighting = {
  name: 'spare_weight',
  weight: (agent) => (agent.weight ?? 1) * (1 - loadFactor(agent)),
};
