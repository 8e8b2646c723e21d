import { describe, expect, it } from 'vitest';
import { specOf } from '../../../test/support/given-when-then.ts';
import { type RuleCommand, rulesDecider } from './decider.ts';
import type { RuleEvent } from './events.ts';
import { MAX_RULES, RuleInput } from './rule.ts';

const NOW = '2026-03-01T12:00:00.000Z';
const rules = specOf(rulesDecider);

const input = (more: object = {}): RuleInput =>
  RuleInput.parse({ name: 'gold', when: '"gold" in tags', strategy: 'suitability', ...more });
const set = (more: object = {}): RuleCommand => ({ type: 'SetRoutingRule', rule: input(more), now: NOW });
const change = (
  type: 'EnableRoutingRule' | 'DisableRoutingRule' | 'RemoveRoutingRule',
  reason?: string,
): RuleCommand => ({
  type,
  name: 'gold',
  reason,
  now: NOW,
});
const wasSet = (version: number, more: object = {}): RuleEvent => ({
  type: 'RoutingRuleSet',
  data: {
    name: 'gold',
    version,
    priority: 100,
    when: '"gold" in tags',
    strategy: 'suitability',
    enabled: true,
    setAt: NOW,
    ...more,
  },
});
const facts = (version: number) => ({ name: 'gold', version });
const wasDisabled: RuleEvent = { type: 'RoutingRuleDisabled', data: { ...facts(1), disabledAt: NOW } };
const wasEnabled: RuleEvent = { type: 'RoutingRuleEnabled', data: { ...facts(1), enabledAt: NOW } };
const wasRemoved: RuleEvent = { type: 'RoutingRuleRemoved', data: { ...facts(1), removedAt: NOW } };

describe('a rule', () => {
  it('gets a version with each change of what it says, and none for the same again', () => {
    rules.given().when(set()).thenEvents(wasSet(1));
    rules.given(wasSet(1)).when(set()).thenEvents();
    rules
      .given(wasSet(1))
      .when(set({ priority: 7 }))
      .thenEvents(wasSet(2, { priority: 7 }));
    const variants = [{ name: 'new', percent: 10, strategy: 'weighted' }];
    rules.given(wasSet(1, { variants })).when(set({ variants })).thenEvents();
    rules.given(wasSet(1)).when(set({ variants })).thenEvents(wasSet(2, { variants }));
  });

  it('goes on counting its versions after it was removed', () => {
    rules
      .given(wasSet(1))
      .when(change('RemoveRoutingRule', 'over'))
      .thenEvents({
        type: 'RoutingRuleRemoved',
        data: { ...facts(1), reason: 'over', removedAt: NOW },
      });
    rules.given(wasSet(1), wasRemoved).when(set()).thenEvents(wasSet(2));
    rules.given(wasSet(1), wasRemoved).when(change('RemoveRoutingRule')).thenRejected({ reason: 'RuleNotFound' });
  });

  it('can be disabled and enabled again, as the same version', () => {
    rules.given(wasSet(1)).when(change('DisableRoutingRule')).thenEvents(wasDisabled);
    rules.given(wasSet(1), wasDisabled).when(change('EnableRoutingRule')).thenEvents(wasEnabled);
    rules.given(wasSet(1)).when(change('EnableRoutingRule')).thenRejected({ reason: 'RuleAlreadyEnabled' });
    rules
      .given(wasSet(1), wasDisabled)
      .when(change('DisableRoutingRule'))
      .thenRejected({ reason: 'RuleAlreadyDisabled' });
    rules.given().when(change('DisableRoutingRule')).thenRejected({ reason: 'RuleNotFound' });
    rules.given(wasSet(1), wasDisabled).when(set()).thenEvents(wasSet(2));
  });

  it('is refused beyond the limit, unless it is there', () => {
    const full = Array.from({ length: MAX_RULES }, (_, at) => wasSet(1, { name: `rule-${at}` }));
    rules
      .given(...full)
      .when(set())
      .thenRejected({ reason: 'TooManyRules', limit: MAX_RULES });
    rules
      .given(...full.slice(1), wasSet(1))
      .when(set({ priority: 1 }))
      .thenEvents(wasSet(2, { priority: 1 }));
  });
});

describe('what a caller sends for a rule', () => {
  const issuesOf = (more: object) => {
    const parsed = RuleInput.safeParse({ name: 'gold', when: 'true', strategy: 'weighted', ...more });
    return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `/${path.join('/')}: ${message}`);
  };
  const variant = (more: object = {}) => ({ name: 'new', percent: 10, strategy: 'weighted', ...more });
  const longId = 'a'.repeat(120);

  it.each([
    ['a name with a space', { name: 'gold customers' }, '/name: must match'],
    ['a priority below', { priority: -1 }, '/priority: '],
    ['a priority above', { priority: 1_001 }, '/priority: '],
    ['a broken priority', { priority: 1.5 }, '/priority: '],
    ['an unknown strategy', { strategy: 'best' }, '/strategy: '],
    ['broadcast', { strategy: 'broadcast' }, '/strategy: broadcast gives a task to several agents'],
    ['a range of nothing', { versionRange: '>2 <1' }, '/versionRange: BAD_VERSION_RANGE'],
    ['an agent twice', { targets: ['a', 'a'] }, '/targets: must not repeat an agent'],
    ['nothing to say', { strategy: undefined }, '/strategy: a rule sets strategy, targets, versionRange or variants'],
    ['a condition that is none', { when: 'capability' }, '/when: BAD_EXPRESSION: gives string, not true or false'],
    ['a condition that cannot be read', { when: 'priority <' }, '/when: BAD_EXPRESSION: '],
    ['a condition of the wrong types', { when: 'priority < "a"' }, '/when: BAD_EXPRESSION: '],
    ['a condition over something unknown', { when: 'execution.id == "a"' }, '/when: BAD_EXPRESSION: '],
    ['a long condition', { when: `"${'a'.repeat(1_000)}" in tags` }, '/when: '],
    ['no condition', { when: '' }, '/when: '],
    ['three variants', { variants: [variant(), variant({ name: 'b' }), variant({ name: 'c' })] }, '/variants: '],
    ['no variants', { variants: [] }, '/variants: '],
    ['one name twice', { variants: [variant(), variant()] }, '/variants/1/name: two variants must not have one name'],
    [
      'more than all',
      { variants: [variant({ percent: 60 }), variant({ name: 'b', percent: 41 })] },
      '/variants: at most 100 percent together, got 101',
    ],
    ['a percentage below', { variants: [variant({ percent: -1 })] }, '/variants/0/percent: '],
    ['a key without variants', { splitBy: 'input.customer' }, '/splitBy: goes with variants'],
    [
      'a key that is a list',
      { splitBy: 'tags', variants: [variant()] },
      '/splitBy: BAD_EXPRESSION: gives list<string>, not a text or a number',
    ],
    [
      'more than fits',
      { targets: [longId, `b${longId}`] },
      '/targets: what the rule leaves with a task takes at most 256 bytes, got ',
    ],
    [
      'more than fits in a variant',
      { variants: [variant({ targets: [longId, `b${longId}`] })] },
      '/variants/0/targets: what the rule leaves',
    ],
    ['an unknown field', { target: 'a' }, '/: '],
  ])('%s is refused, with the field that is wrong', (_, more, issue) => {
    const issues = issuesOf(more);
    expect(issues).toHaveLength(1);
    expect(issues[0]?.slice(0, issue.length)).toBe(issue);
  });

  it('takes the bounds', () => {
    expect(issuesOf({ priority: 0, when: '"x" in tags', variants: [variant({ percent: 0 })] })).toEqual([]);
    expect(
      issuesOf({ priority: 1_000, variants: [variant({ percent: 100 }), variant({ name: 'b', percent: 0 })] }),
    ).toEqual([]);
    expect(issuesOf({ splitBy: 'input.customer', variants: [variant({ percent: 0.5 })] })).toEqual([]);
  });
});
