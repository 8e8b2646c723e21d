import { Answer, type Discovery, MAX_NAMED } from './answer.ts';
import type { Candidate, Condition } from './candidate.ts';
import type { DiscoverAgentsInput } from './query.ts';
import type { Rule } from './rules.ts';

/** Agents in the order of their ids. */
class Ordered {
  readonly agents: Candidate[] = [];

  /** Puts the agent in the place of the one with its id, or between its neighbours. */
  put(agent: Candidate): void {
    const place = this.#placeOf(agent.agentId);
    this.agents.splice(place, this.agents[place]?.agentId === agent.agentId ? 1 : 0, agent);
  }

  delete(agentId: string): void {
    const place = this.#placeOf(agentId);
    if (this.agents[place]?.agentId === agentId) this.agents.splice(place, 1);
  }

  #placeOf(agentId: string): number {
    let from = 0;
    let to = this.agents.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.agents[middle] as Candidate).agentId < agentId) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** The indexes of an agent: what a question's first rule can ask for by name. */
const keysOf = (agent: Candidate): ReadonlySet<string> =>
  new Set([
    ...agent.capabilities.map(({ name }) => `capability/${name}`),
    ...agent.serviceTypes.map((type) => `service_type/${type}`),
    ...agent.tags.map((tag) => `tag/${tag}`),
  ]);

/** The same agents as a whole and by each of their keys. */
class Scope {
  readonly all = new Ordered();
  readonly #byKey = new Map<string, Ordered>();

  put(agent: Candidate, before: ReadonlySet<string>, after: ReadonlySet<string>): void {
    for (const key of before) if (!after.has(key)) this.#drop(key, agent.agentId);
    this.all.put(agent);
    for (const key of after) this.#of(key).put(agent);
  }

  delete(agentId: string, keys: ReadonlySet<string>): void {
    this.all.delete(agentId);
    for (const key of keys) this.#drop(key, agentId);
  }

  with(key: string): readonly Candidate[] {
    return this.#byKey.get(key)?.agents ?? [];
  }

  #of(key: string): Ordered {
    const known = this.#byKey.get(key);
    if (known) return known;
    const ordered = new Ordered();
    this.#byKey.set(key, ordered);
    return ordered;
  }

  #drop(key: string, agentId: string): void {
    const ordered = this.#byKey.get(key);
    ordered?.delete(agentId);
    if (ordered?.agents.length === 0) this.#byKey.delete(key);
  }
}

function* excludedBy({ excludes }: Rule, agents: readonly Candidate[], nowMs: number): Generator<Candidate> {
  let found = 0;
  for (const agent of agents) {
    if (found === MAX_NAMED) return;
    if (!excludes(agent, nowMs)) continue;
    found += 1;
    yield agent;
  }
}

/** Whether the agent differs in nothing that a place in an index depends on. */
const sameKeys = (a: Candidate, b: Candidate): boolean =>
  a.pool === b.pool && a.capabilities === b.capabilities && a.serviceTypes === b.serviceTypes && a.tags === b.tags;

/**
 * The agents of a tenant, indexed by capability, service type and tag, each overall and per pool. A question looks only at the agents that
 * the first of its rules does not exclude; the others are counted.
 */
export class AgentIndex {
  readonly #agents = new Map<string, Candidate>();
  readonly #keys = new Map<string, ReadonlySet<string>>();
  readonly #everywhere = new Scope();
  readonly #pools = new Map<string, Scope>();

  get size(): number {
    return this.#agents.size;
  }

  get(agentId: string): Candidate | undefined {
    return this.#agents.get(agentId);
  }

  all(): readonly Candidate[] {
    return this.#everywhere.all.agents;
  }

  put(described: Candidate): void {
    const agent = { ...described };
    const known = this.#agents.get(agent.agentId);
    const before = this.#keys.get(agent.agentId) ?? new Set();
    const after = known && sameKeys(known, agent) ? before : keysOf(agent);
    if (known && known.pool !== agent.pool) this.#leavePool(known, before);
    this.#agents.set(agent.agentId, agent);
    this.#keys.set(agent.agentId, after);
    this.#everywhere.put(agent, before, after);
    this.#poolOf(agent.pool).put(agent, before, after);
  }

  /** Changes the agent in its places (docs/adr/0002). */
  setCondition(agentId: string, condition: Partial<Condition>): void {
    const agent = this.#agents.get(agentId);
    if (agent) Object.assign(agent, condition);
  }

  delete(agentId: string): void {
    const agent = this.#agents.get(agentId);
    const keys = this.#keys.get(agentId);
    if (agent === undefined || keys === undefined) return;
    this.#agents.delete(agentId);
    this.#keys.delete(agentId);
    this.#everywhere.delete(agentId, keys);
    this.#leavePool(agent, keys);
  }

  discover(query: DiscoverAgentsInput, nowMs: number): Discovery {
    const answer = new Answer(query, nowMs);
    const scope = query.pool === undefined ? this.#everywhere : this.#pools.get(query.pool);
    if (scope === undefined) return answer.result();
    const all = scope.all.agents;
    const [first] = answer.rules;
    const shown = this.#shownBy(first, scope, query);
    for (const agent of shown) answer.consider(agent);
    if (first !== undefined && shown !== all)
      answer.leaveAll(first.reason, all.length - shown.length, excludedBy(first, all, nowMs));
    return answer.result();
  }

  /** The agents that the rule does not exclude, and perhaps others. */
  #shownBy(rule: Rule | undefined, scope: Scope, query: DiscoverAgentsInput): readonly Candidate[] {
    switch (rule?.reason) {
      case 'capability':
        return query.capabilities
          .map(({ name }) => scope.with(`capability/${name}`))
          .reduce((fewest, agents) => (agents.length < fewest.length ? agents : fewest));
      case 'service_type':
        return this.#ofOne('service_type', query.serviceTypes, scope);
      case 'tag':
        return this.#ofOne('tag', query.tags, scope);
      default:
        return scope.all.agents;
    }
  }

  /** Of several alternatives every agent is looked at: to merge their lists would cost more. */
  #ofOne(key: string, [value, ...others]: readonly string[], scope: Scope): readonly Candidate[] {
    return value === undefined || others.length > 0 ? scope.all.agents : scope.with(`${key}/${value}`);
  }

  #poolOf(pool: string): Scope {
    const known = this.#pools.get(pool);
    if (known) return known;
    const scope = new Scope();
    this.#pools.set(pool, scope);
    return scope;
  }

  #leavePool({ agentId, pool }: Candidate, keys: ReadonlySet<string>): void {
    const scope = this.#pools.get(pool);
    scope?.delete(agentId, keys);
    if (scope?.all.agents.length === 0) this.#pools.delete(pool);
  }
}
