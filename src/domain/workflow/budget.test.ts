import { describe, expect, it } from 'vitest';
import type { Json } from '../json.ts';
import { MAX_EVALUATION_BYTES, MAX_EVALUATION_STEPS } from './budget.ts';
import { parseExpression, type Scope } from './expression.ts';
import { parseTemplate } from './template.ts';

const LIST = Array.from({ length: 20_000 }, (_, index) => index);
const OBJECTS = LIST.map((index) => ({ id: index, name: `n${index}`, price: index / 2 }));
const TEXT = 'ab'.repeat(120_000);

const scopeOf = (input: Json): Scope => ({
  input,
  tasks: { a: { output: { l: LIST }, status: 'completed' } },
  execution: { id: 'e-1' },
  item: null,
  index: null,
  self: null,
});
const SCOPE = scopeOf({
  l: LIST,
  o: OBJECTS,
  s: TEXT,
  t: `${TEXT}b`,
  u: `${'ab'.repeat(119_999)}ac`,
  digits: '9'.repeat(240_000),
  m: Object.fromEntries(LIST.map((n) => [`k${n}`, n])),
  json: `[${'1,'.repeat(100_000)}1]`,
  deep: `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
});

const evaluate = (text: string, scope: Scope = SCOPE) => {
  const parsed = parseExpression(text);
  if (!parsed.ok) throw new Error(parsed.rejection);
  return parsed.value.evaluate(scope);
};

const STEPS = `takes more than ${MAX_EVALUATION_STEPS} steps`;
const BYTES = `makes values of more than ${MAX_EVALUATION_BYTES} bytes`;
const EITHER = /^(takes more than|makes values of more than) /;

/** Doubles a value sixteen times, through variables, so that its parts are shared. */
const doubled = (start: string, double: (name: string) => string, end: (name: string) => string): string => {
  const names = Array.from({ length: 16 }, (_, index) => `v${index}`);
  return names.reduceRight(
    (rest, name, index) => `cel.bind(${name}, ${index === 0 ? start : double(names[index - 1] as string)}, ${rest})`,
    end(names.at(-1) as string),
  );
};

describe('an evaluation', () => {
  it.each([
    ['tasks.a.output.l.map(x, tasks.a.output.l + tasks.a.output.l)', STEPS],
    ['input.l.map(x, input.s.contains("c"))', STEPS],
    ['input.l.map(x, input.s == input.u)', STEPS],
    ['input.l.map(x, input.s + input.s)', BYTES],
    ['input.l.map(x, input.l.map(y, x + y))', STEPS],
    ['input.l.all(x, x in input.l)', STEPS],
    ['input.l.filter(x, x < 99).map(x, input.l == input.l.map(y, y))', EITHER],
    ['input.l.filter(x, input.l.exists_one(y, y == x))', STEPS],
    ['input.l.all(x, x.missing == 1)', STEPS],
    ['input.l.exists(x, input.l.all(y, y.missing))', STEPS],
    ['input.l.map(x, x.?missing.orValue(0))', STEPS],
    ['input.l.map(x, input.l[?-1].orValue(0))', STEPS],
    ['input.l.map(x, input.o == input.o.map(o, o))', EITHER],
    ['input.l.map(x, input.s.split(""))', EITHER],
    ['input.l.map(x, string(x)).join(input.s)', BYTES],
    ['input.s.split("").join(input.s)', EITHER],
    ['input.l.map(x, input.s.lowerAscii())', EITHER],
    ['input.l.map(x, size(input.s))', STEPS],
    ['input.l.map(x, size(input.m))', STEPS],
    ['input.l.map(x, input.m.map(k, k))', STEPS],
    ['input.l.map(x, bytes(input.s))', EITHER],
    ['input.l.map(x, bytes(input.json).json())', EITHER],
    ['input.l.map(x, {input.s + string(x): x})', BYTES],
    ['input.l.map(x, timestamp("2026-03-01T12:00:00Z").getHours("Europe/Berlin"))', STEPS],
    ['duration(input.digits + "s")', STEPS],
    ['input.s.contains(input.s.substring(1, 120001) + "c")', STEPS],
    ['input.l.map(x, input.s + "c") == input.l.map(x, input.s + "d")', EITHER],
    [
      doubled(
        'input.s',
        (v) => `${v} + ${v}`,
        (v) => `size(${v})`,
      ),
      BYTES,
    ],
    [
      doubled(
        'input.l',
        (v) => `${v} + ${v}`,
        (v) => `size(${v})`,
      ),
      STEPS,
    ],
    [
      doubled(
        '[1, 2, 3, 4, 5, 6, 7, 8]',
        (v) => `[${v}, ${v}, ${v}]`,
        (v) => v,
      ),
      STEPS,
    ],
    ['input.l.filter(x, x < 50).map(x, input.o.map(o, [o]) == input.o.map(o, [o]))', EITHER],
    [
      doubled(
        '[1, 2]',
        (v) => `[${v}, ${v}, ${v}]`,
        (v) => `{"a": ${v}}`,
      ),
      EITHER,
    ],
  ])('that would block everything ends with the same reason each time: %s', (text, reason) => {
    const first = evaluate(text);
    expect(first).toMatchObject({ ok: false, rejection: expect.stringMatching(reason) });
    expect(evaluate(text)).toEqual(first);
  });

  it.each([
    ['bytes(input.deep).json()', 'TOO_DEEP'],
    ['{[1, 2]: 1}', 'a key of a map must be a text, a whole number, or true or false'],
    ['{{"a": 1}: 1}', 'a key of a map must be a text, a whole number, or true or false'],
  ])('cannot be made to recurse deeply: %s', (text, reason) =>
    expect(evaluate(text)).toMatchObject({ ok: false, rejection: expect.stringContaining(reason) }),
  );

  it('may process the largest result of a task', () => {
    expect(
      evaluate('input.o.filter(x, x.price > 9998.0).map(x, {"id": x.id, "name": x.name.upperAscii()})'),
    ).toMatchObject({
      ok: true,
      value: { length: 3 },
    });
    expect(evaluate('input.l.map(x, x * 2).filter(x, x > 39990)')).toMatchObject({ ok: true, value: { length: 4 } });
    expect(evaluate('input.s.contains("bab") && input.s.substring(0, 100000).split("ab").size() == 50001')).toEqual({
      ok: true,
      value: true,
    });
    expect(evaluate('input.l + input.l')).toMatchObject({ ok: true, value: { length: 40_000 } });
  });

  it('is not affected by an earlier one that used up its budget', () => {
    const parsed = parseExpression('input.l.map(x, input.l)');
    if (!parsed.ok) throw new Error(parsed.rejection);
    expect(parsed.value.evaluate(SCOPE)).toMatchObject({ ok: false });
    expect(parsed.value.evaluate(scopeOf({ l: [1, 2] }))).toEqual({
      ok: true,
      value: [
        [1, 2],
        [1, 2],
      ],
    });
  });

  it('covers a whole template: its expressions share one budget', () => {
    const sum = '= input.l.filter(x, x > 1).size()';
    const render = (count: number) => {
      const parsed = parseTemplate(Array.from({ length: count }, () => sum));
      if (!parsed.ok) throw new Error(JSON.stringify(parsed.rejection));
      return parsed.value.render(SCOPE);
    };
    expect(render(2)).toMatchObject({ ok: true });
    expect(render(10)).toMatchObject({ ok: false, rejection: expect.stringContaining(STEPS) });
  });
});
