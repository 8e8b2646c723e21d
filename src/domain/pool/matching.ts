import type { Transport } from '../agent/events.ts';
import { hasVersion, type Requirement } from '../routing/eligibility.ts';
import { IndexedHeap } from '../structures/indexed-heap.ts';
import { AgentGroup } from './agent-group.ts';

/** How an agent is called: work for the two kinds does not compete for the same dispatchers. */
export type Lane = Transport['kind'];

export const LANES: readonly Lane[] = ['a2a', 'local'];

/** What an agent offers under one name: a capability, in as many versions as it has. */
export type Offer = { readonly name: string; readonly versions: readonly string[] };

/** What agents of one lane offer, all of them the same: so each agent is counted once, whichever of its versions a task accepts. */
export type Skill = {
  readonly key: string;
  readonly offer: Offer;
  readonly lane: Lane;
  /** The agents that offer it. */
  readonly group: AgentGroup;
  /** How many do, and how many of them can take more work now. */
  agents: number;
  free: number;
  /** Requirements that it meets and that have ready work, by their first task. */
  readonly work: IndexedHeap;
};

/** The first task of a requirement: its effective priority and its order of arrival. */
export type Head = { readonly key: number; readonly seq: number };

/** A requirement that has ready work. */
type Wanted = {
  readonly required: Requirement;
  head: Head;
  readonly skills: Set<Skill>;
  /** The same in an order of their own, once somebody asks. */
  inOrder: readonly Skill[] | undefined;
};

/** No range is another requirement than `*`, which leaves prereleases out; the empty range is refused at submission. */
export const requirementKey = ({ capability, versionRange }: Requirement): string =>
  `${capability}@${versionRange ?? ''}`;

const skillKey = ({ name, versions }: Offer, lane: Lane): string => `${lane}:${name}@${versions.join()}`;

const newSkill = (key: string, offer: Offer, lane: Lane): Skill => ({
  key,
  offer,
  lane,
  group: new AgentGroup(offer.name),
  agents: 0,
  free: 0,
  work: new IndexedHeap(),
});

const meets = ({ name, versions }: Offer, required: Requirement): boolean =>
  versions.some((version) => hasVersion({ name, version }, required));

const addTo = <Value>(sets: Map<string, Set<Value>>, key: string, value: Value): void => {
  const known = sets.get(key);
  if (known) known.add(value);
  else sets.set(key, new Set([value]));
};

const removeFrom = <Value>(sets: Map<string, Set<Value>>, key: string, value: Value): void => {
  const known = sets.get(key);
  known?.delete(value);
  if (known?.size === 0) sets.delete(key);
};

/**
 * Brings work and agents together: finds the requirement to serve next among those that have both ready work and a free agent, in the
 * logarithm of their number. Requirements that no free agent can meet cost nothing, however many there are.
 */
export class Matching {
  readonly #skills = new Map<string, Skill>();
  /** Skills and wanted requirements by the name of their capability. */
  readonly #skillsNamed = new Map<string, Set<Skill>>();
  readonly #wantedNamed = new Map<string, Set<Wanted>>();
  readonly #agentsNamed = new Map<string, number>();
  readonly #wanted = new Map<string, Wanted>();
  /** Skills with a free agent and work, by the first of that work. */
  readonly #live: Readonly<Record<Lane, IndexedHeap>> = { a2a: new IndexedHeap(), local: new IndexedHeap() };

  /** One agent more offers the capability; it is busy until `setFree` says otherwise. */
  offer(offer: Offer, lane: Lane): Skill {
    const key = skillKey(offer, lane);
    const skill = this.#skills.get(key) ?? this.#begin(newSkill(key, offer, lane));
    this.#addAgents(skill, 1);
    return skill;
  }

  /** One busy agent less offers it. */
  withdraw(skill: Skill): void {
    this.#addAgents(skill, -1);
    if (skill.agents > 0) return;
    const { name } = skill.offer;
    this.#skills.delete(skill.key);
    removeFrom(this.#skillsNamed, name, skill);
    for (const wanted of this.#wantedNamed.get(name) ?? []) {
      wanted.skills.delete(skill);
      wanted.inOrder = undefined;
    }
  }

  /** Agents that offer the capability in any version. */
  agentsNamed(name: string): number {
    return this.#agentsNamed.get(name) ?? 0;
  }

  /** What meets a requirement that has ready work, in an order that does not depend on who came when. */
  skillsFor(required: Requirement): readonly Skill[] {
    const wanted = this.#wanted.get(requirementKey(required));
    if (!wanted) return [];
    wanted.inOrder ??= [...wanted.skills].sort((a, b) => (a.key < b.key ? -1 : 1));
    return wanted.inOrder;
  }

  /** @param by 1: one agent more can take work of this kind, -1: one less */
  setFree(skill: Skill, by: 1 | -1): void {
    skill.free += by;
    if (skill.free <= 1) this.#settle(skill);
  }

  /** The requirement has ready work, of which this is the first, or none any more. */
  setHead(required: Requirement, head: Head | undefined): void {
    const key = requirementKey(required);
    const known = this.#wanted.get(key);
    if (head === undefined) {
      if (known) this.#forget(key, known);
      return;
    }
    const wanted = known ?? this.#want(key, required, head);
    wanted.head = head;
    for (const skill of wanted.skills) this.#enter(skill, key, head);
  }

  /** Key of the requirement to serve next; undefined when no work has a free agent in these lanes. */
  next(lanes: readonly Lane[]): string | undefined {
    let best: ReturnType<IndexedHeap['peek']>;
    for (const lane of lanes) {
      const first = this.#live[lane].peek();
      if (first && (!best || first.key < best.key || (first.key === best.key && first.seq < best.seq))) best = first;
    }
    return best && this.#skills.get(best.id)?.work.peek()?.id;
  }

  #addAgents(skill: Skill, by: 1 | -1): void {
    skill.agents += by;
    const { name } = skill.offer;
    const named = this.agentsNamed(name) + by;
    if (named > 0) this.#agentsNamed.set(name, named);
    else this.#agentsNamed.delete(name);
  }

  #begin(skill: Skill): Skill {
    const { name } = skill.offer;
    this.#skills.set(skill.key, skill);
    addTo(this.#skillsNamed, name, skill);
    for (const wanted of this.#wantedNamed.get(name) ?? []) {
      if (!meets(skill.offer, wanted.required)) continue;
      wanted.skills.add(skill);
      wanted.inOrder = undefined;
      this.#enter(skill, requirementKey(wanted.required), wanted.head);
    }
    return skill;
  }

  #want(key: string, required: Requirement, head: Head): Wanted {
    const named = this.#skillsNamed.get(required.capability) ?? [];
    const skills = new Set([...named].filter(({ offer }) => meets(offer, required)));
    const wanted = { required, head, skills, inOrder: undefined };
    this.#wanted.set(key, wanted);
    addTo(this.#wantedNamed, required.capability, wanted);
    return wanted;
  }

  #forget(key: string, wanted: Wanted): void {
    this.#wanted.delete(key);
    removeFrom(this.#wantedNamed, wanted.required.capability, wanted);
    for (const skill of wanted.skills) {
      skill.work.delete(key);
      this.#settle(skill);
    }
  }

  #enter(skill: Skill, key: string, head: Head): void {
    skill.work.set(key, head.key, head.seq);
    this.#settle(skill);
  }

  #settle(skill: Skill): void {
    const first = skill.free > 0 ? skill.work.peek() : undefined;
    if (first) this.#live[skill.lane].set(skill.key, first.key, first.seq);
    else this.#live[skill.lane].delete(skill.key);
  }
}
