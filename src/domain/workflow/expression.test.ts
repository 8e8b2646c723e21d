import { describe, expect, it } from 'vitest';
import type { Json } from '../json.ts';
import { MAX_EXPRESSION_LENGTH, parseExpression, type Scope } from './expression.ts';
import { parseTemplate } from './template.ts';

const scopeWith = (facts: Partial<Scope> = {}): Scope => ({
  input: { n: 1, half: 0.5, text: 'abc', list: [1, 2, 3], none: null, order: { id: 'o-1' } },
  tasks: { collect: { output: { total: 5, pages: [{ id: 1 }, { id: 2 }] }, status: 'completed' } },
  execution: { id: 'e-1' },
  item: null,
  index: null,
  self: null,
  ...facts,
});

const evaluate = (text: string, scope: Scope = scopeWith()) => {
  const parsed = parseExpression(text);
  if (!parsed.ok) throw new Error(parsed.rejection);
  return parsed.value.evaluate(scope);
};
const refusal = (text: string): string => {
  const parsed = parseExpression(text);
  return parsed.ok ? 'accepted' : parsed.rejection;
};

describe('an expression', () => {
  it.each<[string, Json]>([
    ['tasks.collect.output.total + 1', 6],
    ['1 + tasks.collect.output.total', 6],
    ['input.n - 2', -1],
    ['input.half * 4', 2],
    ['input.n / 2', 0.5],
    ['tasks.collect.output.total % 2', 1],
    ['3 / 2', 1],
    ['input.n == 1', true],
    ['input.n == 1.0 && input.n < 2 && 2 > input.half', true],
    ['-input.n', -1],
    ['input.list[input.n]', 2],
    ['size(input.list) == 3', true],
    ['index + 1', 8],
  ])('calculates with JSON numbers: %s', (text, value) =>
    expect(evaluate(text, scopeWith({ index: 7 }))).toEqual({ ok: true, value }),
  );

  it.each<[string, Json]>([
    ['input', { n: 1, half: 0.5, text: 'abc', list: [1, 2, 3], none: null, order: { id: 'o-1' } }],
    ['input.none', null],
    ['{"id": input.order.id, 1: [1, "a", null]}', { id: 'o-1', '1': [1, 'a', null] }],
    ['9007199254740993', '9007199254740993'],
    ['timestamp("2026-03-01T12:00:00Z")', '2026-03-01T12:00:00.000Z'],
    ['input.?missing.orValue(3)', 3],
    ['has(input.missing)', false],
    ['tasks["collect"].status', 'completed'],
    ['input.list.filter(x, x > 1).map(x, x * 2).exists(x, x == 4)', true],
    [
      'input.list.map(x, input.list.map(y, x + y))',
      [
        [2, 3, 4],
        [3, 4, 5],
        [4, 5, 6],
      ],
    ],
    ['execution.id', 'e-1'],
  ])('evaluates to JSON: %s', (text, value) => expect(evaluate(text)).toEqual({ ok: true, value }));

  it.each([
    ['input.missing', 'No such key: missing'],
    ['tasks.collect.output.missing.deeper', 'No such key: missing'],
    ['input.none.deeper', 'No such key: deeper'],
    ['input.list[5]', 'No such key: index out of bounds, index 5 >= size 3'],
    ['input.text + 1', 'no such overload: dyn<string> + int'],
    ['1 / 0', 'division by zero'],
    ['input.n / 0', 'NUMBER_OUT_OF_RANGE: must be a finite number'],
    ['0.0 / 0.0', 'NUMBER_OUT_OF_RANGE: must be a finite number'],
    ['"\\u0000"', 'INVALID_CHARACTER: U+0000 is not allowed'],
    ['self.output', 'No such key: output'],
  ])('explains in a sentence what is wrong with %s', (text, rejection) =>
    expect(evaluate(text)).toEqual({ ok: false, rejection }),
  );

  it.each(['duration("1s")', '[duration("1s")]', '{"a": duration("1s")}', '1u', 'b"abc"', 'type(input.n)', 'input.?n'])(
    'refuses a result that is not JSON: %s',
    (text) =>
      expect(evaluate(text)).toMatchObject({ ok: false, rejection: expect.stringContaining('not a JSON value') }),
  );

  it.each([
    'input.__proto__',
    'input["__proto__"]',
    'input.constructor',
    'input.list.constructor',
    'input.list.length',
    'input.order.toString',
    'tasks.constructor',
    'tasks["__proto__"]',
    'execution.constructor',
    'tasks.collect.constructor',
  ])('cannot access what JavaScript adds to objects: %s', (text) =>
    expect(evaluate(text)).toMatchObject({ ok: false, rejection: expect.stringMatching(/^No such key/) }),
  );

  it.each(['"".constructor', '"".length', 'x', 'process', 'globalThis', 'constructor'])(
    'can access nothing but its scope: %s is refused',
    (text) => expect(refusal(text)).toMatch(/^(Cannot index|Unknown variable|Expected)/),
  );

  it.each(['{"__proto__": {"admin": true}}', '{"constructor": 1}'])('omits such keys from objects: %s', (text) => {
    expect(evaluate(text)).toEqual({ ok: true, value: {} });
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
  });

  it.each(['input.text.matches("(a+)+$")', 'matches(input.text, "a")', 'input.list.all(x, input.text.matches("a"))'])(
    'cannot use regular expressions, which could run without end: %s',
    (text) => expect(refusal(text)).toContain('matches() is not allowed'),
  );

  it('may loop over lists nested two deep and no deeper', () => {
    expect(refusal('input.list.map(x, input.list.map(y, input.list.map(z, z)))')).toContain('at most 2 of all, exists');
    expect(refusal('input.list.filter(a, true).filter(b, true).filter(c, true)')).toBe('accepted');
  });

  it('may loop over one long list', () => {
    const input = Array.from({ length: 30_000 }, (_, item) => item);
    expect(evaluate('size(input.filter(x, x >= 10))', scopeWith({ input }))).toEqual({ ok: true, value: 29_990 });
  });

  it.each(['', '1 +', 'input.n == ', '#{process.env}', '{{constructor}}', '$(id)', 'a; b', '('.repeat(200)])(
    'that is invalid is refused: %s',
    (text) => expect(refusal(text)).not.toBe('accepted'),
  );

  it('is rejected when it is too long, too deep or has too many parts', () => {
    expect(refusal(`"${'a'.repeat(MAX_EXPRESSION_LENGTH)}"`)).toBe('at most 1000 characters, got 1002');
    expect(refusal(`${'['.repeat(60)}1${']'.repeat(60)}`)).toContain('maxDepth');
    expect(refusal(Array.from({ length: 480 }, () => '1').join('+'))).toContain('maxAstNodes');
  });

  it('reports what it reads', () => {
    const parsed = parseExpression('tasks.a.output + tasks["b-c"].output + (item == null ? 0 : 1)');
    expect(parsed).toMatchObject({
      ok: true,
      value: { taskIds: expect.arrayContaining(['a', 'b-c']), usesItem: true },
    });
    expect(parseExpression('input.n')).toMatchObject({ ok: true, value: { taskIds: [], usesItem: false } });
  });

  it.each(['tasks', 'tasks[input.text]', 'size(tasks)', 'cel.bind(t, tasks, t.a)', '[tasks]', '{"a": tasks}'])(
    'must name the tasks that it reads: %s is refused',
    (text) => expect(refusal(text)).toContain('tasks must be followed by the id of a task'),
  );
});

describe('a template', () => {
  const render = (value: Json, scope: Scope = scopeWith()) => {
    const parsed = parseTemplate(value);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.rejection));
    return parsed.value.render(scope);
  };

  it('is JSON in which strings that start with = are expressions', () =>
    expect(
      render({
        total: '= tasks.collect.output.total + 1',
        same: ['a', 1, null, true, '=input.n'],
        deep: { at: ' = no' },
      }),
    ).toEqual({ ok: true, value: { total: 6, same: ['a', 1, null, true, 1], deep: { at: ' = no' } } }));

  it.each([
    ['== 1', '= 1'],
    ['==', '='],
    ['===', '=='],
  ])('treats %s as text that itself starts with =', (text, value) =>
    expect(render({ text })).toEqual({ ok: true, value: { text: value } }),
  );

  it('reports every invalid expression, with its place', () => {
    const parsed = parseTemplate({ a: '= 1 +', 'b/c': ['= x', '= tasks'], d: '= input.n' });
    expect(parsed).toMatchObject({
      ok: false,
      rejection: [{ pointer: '/a' }, { pointer: '/b~1c/0' }, { pointer: '/b~1c/1' }],
    });
  });

  it('reports which expression failed', () =>
    expect(render({ a: '= input.n', b: '= input.missing' })).toEqual({
      ok: false,
      rejection: '"input.missing": No such key: missing',
    }));

  it('reports the tasks that it reads, and gives copies of the values', () => {
    const parsed = parseTemplate(['= tasks.a.output', { b: '= tasks.b.output' }]);
    expect(parsed.ok && parsed.value.expressions.flatMap(({ taskIds }) => taskIds)).toEqual(['a', 'b']);
    const scope = scopeWith();
    const rendered = render('= input', scope);
    expect(rendered.ok && rendered.value).not.toBe(scope.input);
  });
});
