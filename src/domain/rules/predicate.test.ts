import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../json.ts';
import { Budget } from '../workflow/budget.ts';
import { parsePredicate, type TaskFacts } from './predicate.ts';
import { MAX_PREDICATE_STEPS } from './predicate-cost.ts';

const task: TaskFacts = {
  capability: 'pdf.render',
  pool: 'default',
  tenant: 'default',
  priority: 2,
  tags: ['gold', 'eu-west'],
  input: { customer: 'c-7', total: 12, rate: 1.5, nested: { kind: 'large' }, list: ['a'], none: null },
};

const evaluated = (text: string, facts = task): unknown => {
  const parsed = parsePredicate(text, 'condition');
  if (!parsed.ok) throw new Error(parsed.rejection);
  const result = parsed.value.evaluate(facts);
  return result.ok ? result.value : { error: result.rejection };
};

describe('a condition over a task', () => {
  it.each([
    ['capability == "pdf.render" && pool == "default" && tenant == "default"', true],
    ['capability.startsWith("pdf.")', true],
    ['capability.contains("end")', true],
    ['priority <= 2', true],
    ['priority in [1, 3]', false],
    ['"gold" in tags', true],
    ['tags.exists(tag, tag.endsWith("-west"))', true],
    ['tags.all(tag, size(tag) == 4)', false],
    ['["gold", "silver"].exists(tier, tier in tags)', true],
    ['size(tags) > 1', true],
    ['input.customer == "c-7"', true],
    ['input.total >= 12', true],
    ['input.total == 12', true],
    ['input.rate * 2.0 > 2', true],
    ['input.nested.kind in ["large", "huge"]', true],
    ['input["nested"]["kind"] == "large"', true],
    ['input.list[0] == "a"', true],
    ['input.customer.startsWith("c-")', true],
    ['has(input.missing) && input.missing == 1', false],
    ['input.?missing.orValue("x") == "x"', true],
    ['input.none == null', true],
    ['!(priority < 2) ? input.total > 1 : false', true],
  ])('%s', (text, expected) => {
    expect(evaluated(text)).toBe(expected);
  });

  it('says what it could not evaluate', () => {
    expect(evaluated('input.missing == 1')).toEqual({ error: 'No such key: missing' });
    expect(evaluated('input.customer > 3')).toEqual({ error: expect.stringContaining('no such overload') });
  });
});

describe('a condition that is not cheap for every task', () => {
  it.each([
    ['input.list.exists(x, x == 1)', 'may go through tags or a list that is written out'],
    ['[input.list].exists(x, x.all(y, y == 1))', 'may go through tags'],
    ['"a" in input.list', 'in may go through tags or a list that is written out'],
    ['input.a == input.b', '== between two parts of the input'],
    ['input == input', '== between two parts of the input'],
    ['input.list == [1, 2]', 'between a list and a part of the input'],
    ['input.text + "a" == "b"', '+ on a part of the input'],
    ['size(input.list) > 1', 'size() of a part of the input'],
    ['input.text.contains("a")', 'contains() on a part of the input'],
    ['capability.contains(input.text)', 'needs a text that is written out'],
    ['capability.startsWith(input.text)', 'needs a text that is written out'],
    ['tags.map(t, t + "a") == tags', 'map(): a rule may use'],
    ['tags.filter(t, t == "a").exists(t, true)', 'filter(): a rule may use'],
    ['input.text.matches("(a+)+b")', 'matches(): a rule may use'],
    ['duration("1s") == duration("1s")', 'duration(): a rule may use'],
    ['input.text.split("") == ["a"]', 'split(): a rule may use'],
    ['{"a": 1}.a == 1', 'a map'],
    ['input[input.key] == 1', 'name the field as it is written'],
    ['cel.bind(x, input.a, x == 1)', 'bind'],
    ['tags.exists(t, tags.exists(u, tags.exists(v, t == u && u == v)))', 'may take'],
    ['(true ? input : [1]) == 2', undefined],
  ])('%s is refused', (text, message) => {
    const parsed = parsePredicate(text, 'condition');
    if (message === undefined) return expect(parsed.ok).toBe(true);
    return expect(parsed).toMatchObject({ ok: false, rejection: expect.stringContaining(message) });
  });

  /** Parts of conditions, those that are refused among them. */
  const { condition } = fc.letrec<{ value: string; condition: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(
        'input',
        'input.a',
        'input.a.b',
        'input["a"]',
        'input.?a',
        'tags',
        'tags[0]',
        'capability',
        'priority',
      ),
      fc.constantFrom(
        '"a"',
        '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"',
        '1',
        '2.5',
        'null',
        '["a", "b"]',
        '[1]',
      ),
      fc.tuple(tie('condition'), tie('value'), tie('value')).map(([c, a, b]) => `(${c} ? ${a} : ${b})`),
      fc.tuple(tie('value'), fc.constantFrom('+', '-', '*'), tie('value')).map((parts) => `(${parts.join(' ')})`),
      tie('value').map((of) => `size(${of})`),
    ),
    condition: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('true', 'has(input.a)', 'has(input.a.b)'),
      fc
        .tuple(tie('value'), fc.constantFrom('==', '!=', '<', '>=', 'in'), tie('value'))
        .map((parts) => `(${parts.join(' ')})`),
      fc.tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition')).map((parts) => `(${parts.join(' ')})`),
      fc
        .tuple(tie('value'), fc.constantFrom('all', 'exists', 'exists_one'), tie('condition'), tie('value'))
        .map(([list, macro, body, value]) => `${list}.${macro}(x, x == ${value} && ${body})`),
      fc
        .tuple(tie('value'), fc.constantFrom('startsWith', 'contains'), tie('value'))
        .map(([text, name, sought]) => `${text}.${name}(${sought})`),
      tie('condition').map((of) => `!${of}`),
    ),
  }));

  const long = 'a'.repeat(3_000);
  const many = Array.from({ length: 3_000 }, () => 'a');
  const wide = Object.fromEntries(Array.from({ length: 3_000 }, (_, at) => [`k${at}`, 'a']));
  const hostile: readonly Json[] = [
    long,
    many,
    wide,
    { a: long },
    { a: many },
    { a: wide },
    { a: { b: many } },
    null,
    7,
  ];
  const full: Omit<TaskFacts, 'input'> = {
    ...task,
    capability: 'a'.repeat(128),
    tags: Array.from({ length: 20 }, () => 'a'.repeat(100)),
  };

  it('is found by its text alone: whatever is accepted takes no more steps than the bound', () => {
    let accepted = 0;
    fc.assert(
      fc.property(condition, (text) => {
        const parsed = parsePredicate(text, 'condition');
        if (!parsed.ok) return;
        accepted += 1;
        for (const input of hostile) {
          const budget = new Budget();
          parsed.value.evaluate({ ...full, input }, budget);
          // The meter counts all of a text whose beginning is looked at.
          const starts = text.split('startsWith').length - 1;
          expect(budget.steps).toBeLessThanOrEqual(MAX_PREDICATE_STEPS + starts * 20 * Math.ceil(long.length / 32));
          expect(budget.exceeded).toBeUndefined();
        }
      }),
      { numRuns: 2_000 },
    );
    expect(accepted).toBeGreaterThan(300);
  });
});
