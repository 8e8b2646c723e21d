import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_RULES, type Rule } from './decider.ts';
import { RuleSet, type Submission } from './rule-set.ts';
import { variantOf } from './split.ts';

const NOW = '2026-03-01T12:00:00.000Z';
const rule = (more: Partial<Rule>): Rule => ({
  name: 'rule',
  version: 1,
  priority: 100,
  when: 'true',
  strategy: 'weighted',
  enabled: true,
  setAt: NOW,
  ...more,
});
const setOf = (...rules: readonly Rule[]): RuleSet =>
  new RuleSet({ ...NO_RULES, rules: new Map(rules.map((each) => [each.name, each])) });
const submission = (more: Partial<Submission> = {}): Submission => ({
  capability: 'render',
  pool: 'default',
  tenant: 'default',
  priority: 3,
  tags: [],
  input: null,
  stated: {},
  key: 'task-1',
  ...more,
});

/** Conditions, and what they mean. */
const CONDITIONS: Readonly<Record<string, (task: Submission) => boolean>> = {
  true: () => true,
  'priority <= 2': ({ priority }) => priority <= 2,
  '"gold" in tags': ({ tags }) => tags.includes('gold'),
  'capability == "render"': ({ capability }) => capability === 'render',
  'input.customer == "a"': ({ input }) => (input as { customer?: string } | null)?.customer === 'a',
};

const anyRules = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom(...'abcdefghij'),
    priority: fc.constantFrom(0, 1, 100, 100, 1_000),
    when: fc.constantFrom(...Object.keys(CONDITIONS)),
    enabled: fc.boolean(),
    sets: fc.constantFrom('strategy', 'targets', 'versionRange'),
  }),
  { selector: ({ name }) => name },
);
const anyTask = fc.record({
  priority: fc.integer({ min: 1, max: 5 }),
  tags: fc.constantFrom<readonly string[]>([], ['gold'], ['silver']),
  capability: fc.constantFrom('render', 'print'),
  input: fc.constantFrom(null, {}, { customer: 'a' }, { customer: 'b' }),
  stated: fc.constantFrom<Submission['stated']>(
    {},
    { strategy: 'failover' },
    { targets: ['x'] },
    { versionRange: '^1' },
  ),
});

const ROUTES: Readonly<Record<string, Partial<Rule>>> = {
  strategy: { strategy: 'weighted' },
  targets: { targets: ['y'] },
  versionRange: { versionRange: '^2' },
};

describe('the rule of a task', () => {
  it('is the enabled one of the highest priority that holds of it and sets nothing that it states; of equal ones that of the lowest name', () => {
    fc.assert(
      fc.property(anyRules, anyTask, (drafts, task) => {
        const rules = drafts.map(({ sets, ...draft }) => rule({ ...draft, strategy: undefined, ...ROUTES[sets] }));
        const asked = submission(task);
        const fit = drafts.filter(
          ({ enabled, when, sets }) =>
            enabled && CONDITIONS[when]?.(asked) === true && asked.stated[sets] === undefined,
        );
        const [best] = fit.toSorted((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1));
        const set = setOf(...rules);
        expect(set.route(asked)?.rule.name).toBe(best?.name);
        const trials = set.explain(asked);
        expect(trials).toHaveLength(rules.length);
        expect(trials.filter(({ outcome }) => outcome === 'chosen').map(({ rule: { name } }) => name)).toEqual(
          best === undefined ? [] : [best.name],
        );
      }),
    );
  });

  it('gives what it says, and its name and version', () => {
    const set = setOf(rule({ version: 7, strategy: 'failover', targets: ['a', 'b'] }));
    expect(set.route(submission())).toEqual({
      rule: { name: 'rule', version: 7 },
      route: { strategy: 'failover', targets: ['a', 'b'] },
    });
  });

  it('is none whose condition cannot be evaluated, and says why', () => {
    const set = setOf(rule({ when: 'input.customer == "a"', priority: 5 }), rule({ name: 'other', priority: 1 }));
    expect(set.route(submission())?.rule.name).toBe('other');
    expect(set.explain(submission())).toMatchObject([
      { outcome: 'error', error: expect.any(String) },
      { outcome: 'chosen' },
    ]);
  });

  it('is none that a later build has set and this one cannot read', () => {
    expect(setOf(rule({ when: 'newFunction(tags)' })).route(submission())).toBeUndefined();
  });
});

describe('a rule with variants', () => {
  const split = rule({
    strategy: 'least_busy',
    variants: [
      { name: 'new', percent: 30, versionRange: '^2' },
      { name: 'other', percent: 20, strategy: 'weighted' },
    ],
  });

  it('sets what the variant says beside what the rule says', () => {
    const routes = new Map(
      Array.from({ length: 100 }, (_, at) => setOf(split).route(submission({ key: `task-${at}` }))).map((routed) => [
        routed?.rule.variant,
        routed?.route,
      ]),
    );
    expect(Object.fromEntries(routes)).toEqual({
      undefined: { strategy: 'least_busy' },
      new: { strategy: 'least_busy', versionRange: '^2' },
      other: { strategy: 'weighted' },
    });
  });

  it('splits by the key of the task, or by what it names', () => {
    const by = (more: Partial<Rule>, tasks: readonly Partial<Submission>[]) =>
      new Set(tasks.map((task) => setOf(rule({ ...split, ...more })).route(submission(task))?.rule.variant)).size;
    const customers = Array.from({ length: 50 }, (_, at) => ({ key: `task-${at}`, input: { customer: 'a' } }));
    expect(by({}, customers)).toBe(3);
    expect(by({ splitBy: 'input.customer' }, customers)).toBe(1);
    expect(by({ splitBy: 'input.missing' }, customers)).toBe(3);
    expect(by({ splitBy: 'input' }, customers)).toBe(3);
  });

  it('does not guess a variant before the key is known', () => {
    const routed = setOf(split).route(submission({ key: undefined }));
    expect(routed).toEqual({
      rule: { name: 'rule', version: 1 },
      route: { strategy: 'least_busy' },
      variantOpen: true,
    });
  });
});

describe('a split', () => {
  const KEYS = Array.from({ length: 20_000 }, (_, at) => `customer-${at}`);
  const variants = (first: number, second: number) => [
    { name: 'first', percent: first },
    { name: 'second', percent: second },
  ];
  const sharesOf = (first: number, second: number, salt = 'rule') =>
    KEYS.map((key) => variantOf(variants(first, second), salt, key)?.name);
  const count = (shares: readonly (string | undefined)[], name: string | undefined): number =>
    shares.filter((each) => each === name).length;
  const percents = fc
    .tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 100 }))
    .filter(([a, b]) => a + b <= 100);

  it('is as large as it should be, within a percent', () => {
    fc.assert(
      fc.property(percents, fc.string({ maxLength: 20 }), ([first, second], salt) => {
        const shares = sharesOf(first, second, salt);
        for (const [name, percent] of [
          ['first', first],
          ['second', second],
          [undefined, 100 - first - second],
        ] as const)
          expect(Math.abs((count(shares, name) / KEYS.length) * 100 - percent)).toBeLessThan(1.5);
      }),
      { numRuns: 20 },
    );
  });

  it('moves only those keys that must when percentages change', () => {
    fc.assert(
      fc.property(percents, percents, ([first, second], [nextFirst, nextSecond]) => {
        const [before, after] = [sharesOf(first, second), sharesOf(nextFirst, nextSecond)];
        const moved = KEYS.filter((_, at) => before[at] !== after[at]).length;
        // What the growing parts gain; each key that moves goes into one of them.
        const gained = ['first', 'second', undefined].reduce(
          (sum, name) => sum + Math.max(0, count(after, name) - count(before, name)),
          0,
        );
        expect(moved).toBeGreaterThanOrEqual(gained);
        if ((nextFirst >= first && nextSecond >= second) || (nextFirst <= first && nextSecond <= second))
          expect(moved).toBe(gained);
        if (nextFirst >= first)
          expect(before.every((name, at) => name !== 'first' || after[at] === 'first')).toBe(true);
        if (nextSecond >= second)
          expect(before.every((name, at) => name !== 'second' || after[at] === 'second')).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it('of one rule says nothing about that of another', () => {
    const [one, other] = [sharesOf(50, 0, 'one'), sharesOf(50, 0, 'other')];
    const both = KEYS.filter((_, at) => one[at] === 'first' && other[at] === 'first').length;
    expect(Math.abs((both / KEYS.length) * 100 - 25)).toBeLessThan(1.5);
  });
});
