import type { Capability, Transport } from '../agent/events.ts';
import { hasVersion, type Requirement } from '../routing/eligibility.ts';
import { IndexedHeap } from '../structures/indexed-heap.ts';

/** How an agent is called: work for the two kinds does not compete for the same dispatchers. */
export type Lane = Transport['kind'];

export const LANES: readonly Lane[] = ['a2a', 'local'];

/** What agents of one lane offer: a capability in one version. */
export type Skill = {
  readonly key: string;
  readonly capability: Capability;
  readonly lane: Lane;
  /** Agents that offer it, and those of them that can take more work now. */
  agents: number;
  free: number;
  /** Requirements that it meets and that have ready work, by their first task. */
  readonly work: IndexedHeap;
};

/** The first task of a requirement: its effective priority and its order of arrival. */
export type Head = { readonly key: number; readonly seq: number };

/** A requirement that has ready work. */
type Wanted = { readonly required: Requirement; head: Head; readonly skills: Set<Skill> };

/** No range is another requirement than `*`, which leaves prereleases out; the empty range is refused at submission. */
export const requirementKey = ({ capability, versionRange }: Requirement): string =>
  `${capability}@${versionRange ?? ''}`;

const skillKey = ({ name, version }: Capability, lane: Lane): string => `${lane}:${name}@${version}`;

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
  readonly #wanted = new Map<string, Wanted>();
  /** Skills with a free agent and work, by the first of that work. */
  readonly #live: Readonly<Record<Lane, IndexedHeap>> = { a2a: new IndexedHeap(), local: new IndexedHeap() };

  /** One agent more offers the capability; it is busy until `setFree` says otherwise. */
  offer(capability: Capability, lane: Lane): Skill {
    const key = skillKey(capability, lane);
    const skill =
      this.#skills.get(key) ?? this.#begin({ key, capability, lane, agents: 0, free: 0, work: new IndexedHeap() });
    skill.agents += 1;
    return skill;
  }

  /** One busy agent less offers it. */
  withdraw(skill: Skill): void {
    skill.agents -= 1;
    if (skill.agents > 0) return;
    this.#skills.delete(skill.key);
    removeFrom(this.#skillsNamed, skill.capability.name, skill);
    for (const wanted of this.#wantedNamed.get(skill.capability.name) ?? []) wanted.skills.delete(skill);
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

  #begin(skill: Skill): Skill {
    const { name } = skill.capability;
    this.#skills.set(skill.key, skill);
    addTo(this.#skillsNamed, name, skill);
    for (const wanted of this.#wantedNamed.get(name) ?? []) {
      if (!hasVersion(skill.capability, wanted.required)) continue;
      wanted.skills.add(skill);
      this.#enter(skill, requirementKey(wanted.required), wanted.head);
    }
    return skill;
  }

  #want(key: string, required: Requirement, head: Head): Wanted {
    const named = this.#skillsNamed.get(required.capability) ?? [];
    const skills = new Set([...named].filter(({ capability }) => hasVersion(capability, required)));
    const wanted = { required, head, skills };
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
