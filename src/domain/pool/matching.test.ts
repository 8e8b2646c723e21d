import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasVersion, type Requirement } from '../routing/eligibility.ts';
import { LANES, type Lane, Matching, requirementKey, type Skill } from './matching.ts';

const REQUIREMENTS: readonly Requirement[] = [
  { capability: 'draw', versionRange: undefined },
  { capability: 'draw', versionRange: '^1.0.0' },
  { capability: 'draw', versionRange: '^2.0.0' },
  { capability: 'sing', versionRange: undefined },
];
const OFFERS = [
  { name: 'draw', versions: ['1.0.0'] },
  { name: 'draw', versions: ['2.1.0'] },
  { name: 'draw', versions: ['1.0.0', '2.1.0'] },
  { name: 'sing', versions: ['1.0.0'] },
] as const;

type Step =
  | { readonly kind: 'work'; readonly required: number; readonly key: number | undefined }
  | { readonly kind: 'offer'; readonly offered: number; readonly lane: number }
  | { readonly kind: 'toggle' | 'leave'; readonly agent: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('work' as const),
    required: fc.nat(REQUIREMENTS.length - 1),
    key: fc.option(fc.nat(50), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('offer' as const), offered: fc.nat(OFFERS.length - 1), lane: fc.nat(1) }),
  fc.record({ kind: fc.constantFrom('toggle' as const, 'leave' as const), agent: fc.nat(5) }),
);

/** The same by looking at everything. */
class Model {
  readonly matching = new Matching();
  readonly work = new Map<string, { readonly required: Requirement; readonly key: number; readonly seq: number }>();
  readonly agents: { readonly skill: Skill; free: boolean }[] = [];
  #seq = 0;

  take(next: Step): void {
    switch (next.kind) {
      case 'work':
        this.#setWork(REQUIREMENTS[next.required] as Requirement, next.key);
        return;
      case 'offer': {
        const skill = this.matching.offer(OFFERS[next.offered] as (typeof OFFERS)[0], LANES[next.lane] as Lane);
        this.agents.push({ skill, free: false });
        return;
      }
      default: {
        const agent = this.agents[next.agent];
        if (agent === undefined) return;
        if (next.kind === 'toggle' || agent.free) {
          agent.free = !agent.free;
          this.matching.setFree(agent.skill, agent.free ? 1 : -1);
        }
        if (next.kind === 'leave') {
          this.matching.withdraw(agent.skill);
          this.agents.splice(next.agent, 1);
        }
      }
    }
  }

  #setWork(required: Requirement, key: number | undefined): void {
    const seq = this.#seq++;
    if (key === undefined) this.work.delete(requirementKey(required));
    else this.work.set(requirementKey(required), { required, key, seq });
    this.matching.setHead(required, key === undefined ? undefined : { key, seq });
  }

  expected(lanes: readonly Lane[]): string | undefined {
    const served = [...this.work].filter(([, { required }]) =>
      this.agents.some(
        ({ free, skill: { lane, offer } }) =>
          free &&
          lanes.includes(lane) &&
          offer.versions.some((version) => hasVersion({ name: offer.name, version }, required)),
      ),
    );
    served.sort(([, a], [, b]) => a.key - b.key || a.seq - b.seq);
    return served[0]?.[0];
  }
}

describe('a matching', () => {
  it('serves the requirement with the first work among those with a free agent, whatever happened before', () =>
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const model = new Model();
        for (const next of steps) {
          model.take(next);
          for (const lanes of [LANES, ['a2a'], ['local']] as const)
            expect(model.matching.next(lanes)).toBe(model.expected(lanes));
        }
      }),
    ));

  it('serves nothing when the free agents cannot meet the requirement', () => {
    const matching = new Matching();
    matching.setFree(matching.offer({ name: 'sing', versions: ['1.0.0'] }, 'local'), 1);
    matching.setHead({ capability: 'draw', versionRange: undefined }, { key: 1, seq: 1 });
    expect(matching.next(LANES)).toBeUndefined();
  });
});
