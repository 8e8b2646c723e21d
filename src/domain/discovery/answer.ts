import { type Candidate, classScore } from './candidate.ts';
import type { DiscoverAgentsInput } from './query.ts';
import { LEFT_OUT, type LeftOutReason, type Rule, rulesOf } from './rules.ts';

/** Left-out agents that are named per reason; the others are only counted. */
export const MAX_NAMED = 20;

export type LeftOut = { readonly reason: LeftOutReason; readonly count: number; readonly agentIds: readonly string[] };

export type Discovery = {
  /** Agents that meet all that was asked. */
  readonly total: number;
  /** The first of them: preferred location first, then by health, then by id. */
  readonly agents: readonly Candidate[];
  /** By reason, in the order in which the rules are asked. */
  readonly leftOut: readonly LeftOut[];
};

type Order = (a: Candidate, b: Candidate) => number;

const byId: Order = (a, b) => (a.agentId < b.agentId ? -1 : 1);

/** 0 in the preferred zone, or region where no zone is preferred; 1 elsewhere in the region; 2 anywhere else. */
const distanceOf = (agent: Candidate, preferred: NonNullable<DiscoverAgentsInput['preferredLocation']>): number => {
  if (agent.location?.region !== preferred.region) return 2;
  return preferred.zone === undefined || agent.location.zone === preferred.zone ? 0 : 1;
};

const orderOf = ({ preferredLocation }: DiscoverAgentsInput): Order => {
  const byHealth: Order = (a, b) => classScore(b) - classScore(a) || byId(a, b);
  if (preferredLocation === undefined) return byHealth;
  return (a, b) => distanceOf(a, preferredLocation) - distanceOf(b, preferredLocation) || byHealth(a, b);
};

/** The first `limit` of all that are offered. Most are offered in vain, and cost one comparison. */
class First {
  readonly agents: Candidate[] = [];
  readonly #order: Order;
  readonly #limit: number;

  constructor(order: Order, limit: number) {
    this.#order = order;
    this.#limit = limit;
  }

  offer(agent: Candidate): void {
    const { agents } = this;
    const last = agents[this.#limit - 1];
    if (last !== undefined && this.#order(agent, last) > 0) return;
    let place = agents.length;
    while (place > 0 && this.#order(agent, agents[place - 1] as Candidate) < 0) place -= 1;
    agents.splice(place, 0, agent);
    if (agents.length > this.#limit) agents.pop();
  }
}

/** Collects the answer to one question from the agents that it is shown, each once and in the order of their ids. */
export class Answer {
  readonly rules: readonly Rule[];
  readonly #first: First;
  readonly #leftOut = new Map<LeftOutReason, { count: number; readonly agentIds: string[] }>();
  readonly #nowMs: number;
  #total = 0;

  constructor(query: DiscoverAgentsInput, nowMs: number) {
    this.#nowMs = nowMs;
    this.rules = rulesOf(query);
    this.#first = new First(orderOf(query), query.limit);
  }

  consider(agent: Candidate): void {
    for (const { reason, excludes } of this.rules)
      if (excludes(agent, this.#nowMs)) {
        this.#leave(reason, agent);
        return;
      }
    this.#total += 1;
    this.#first.offer(agent);
  }

  /** Counts agents that nobody needs to look at, because this rule excludes them all. `named` are some of them. */
  leaveAll(reason: LeftOutReason, count: number, named: Iterable<Candidate>): void {
    if (count === 0) return;
    const agentIds = new Set(this.#leftOut.get(reason)?.agentIds);
    for (const { agentId } of named) agentIds.add(agentId);
    const known = this.#leftOut.get(reason)?.count ?? 0;
    this.#leftOut.set(reason, { count: known + count, agentIds: [...agentIds].sort().slice(0, MAX_NAMED) });
  }

  result(): Discovery {
    const leftOut = LEFT_OUT.flatMap((reason) => {
      const left = this.#leftOut.get(reason);
      return left === undefined ? [] : [{ reason, ...left }];
    });
    return { total: this.#total, agents: this.#first.agents.map((agent) => ({ ...agent })), leftOut };
  }

  #leave(reason: LeftOutReason, { agentId }: Candidate): void {
    const left = this.#leftOut.get(reason) ?? { count: 0, agentIds: [] };
    left.count += 1;
    if (left.agentIds.length < MAX_NAMED) left.agentIds.push(agentId);
    this.#leftOut.set(reason, left);
  }
}

/** The answer from a list, by looking at each agent. */
export const discoverAmong = (agents: readonly Candidate[], query: DiscoverAgentsInput, nowMs: number): Discovery => {
  const answer = new Answer(query, nowMs);
  for (const agent of [...agents].sort(byId))
    if (query.pool === undefined || agent.pool === query.pool) answer.consider(agent);
  return answer.result();
};
