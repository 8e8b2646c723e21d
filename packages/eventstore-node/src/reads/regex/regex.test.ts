import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Regex, RegexTooSlow } from './regex.ts';
import { BadRegex } from './syntax.ts';

const matches = (source: string, text: string) => new Regex(source).test(text);

describe('an expression that .NET and JavaScript read alike', () => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '\\d',
    '\\w',
    '^',
    '$',
    '\\b',
    '\\B',
    'c',
    '[a-c1]',
    '(?:)',
  );
  const pattern = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'regex' },
      atom,
      fc.tuple(tie('node'), tie('node')).map(([a, b]) => a + b),
      fc.tuple(tie('node'), tie('node')).map(([a, b]) => `(${a}|${b})`),
      fc
        .tuple(tie('node'), fc.constantFrom('*', '+', '?', '*?', '+?', '??', '{2}', '{1,3}', '{0,2}?', '{2,}'))
        .map(([a, quantifier]) => `(?:${a})${quantifier}`),
      fc.tuple(fc.constantFrom('?=', '?!', '?<=', '?<!'), tie('node')).map(([kind, a]) => `(${kind}${a})`),
    ),
  })).node;

  it('matches the same texts in both', () => {
    fc.assert(
      fc.property(
        pattern,
        fc.array(fc.constantFrom('a', 'b', 'c', '1', ' ', '-'), { maxLength: 8 }),
        (source, chars) => {
          const text = chars.join('');
          expect(matches(source, text)).toBe(new RegExp(source).test(text));
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

describe('an expression that .NET reads differently', () => {
  it.each([
    ['(?i)^orderplaced', 'OrderPlaced'],
    ['^Order(?i)placed$', 'OrderPLACED'],
    ['^(?i:order)-\\d+$', 'ORDER-7'],
    ['^(?i)o(?-i)R', 'oR'],
    ['(?i)[a-z]É', 'Xé'],
    ["(?<name>a)(?'other'b)", 'ab'],
    ['a(?#a comment)b', 'ab'],
    ['(?x) a b # a comment\n c', 'abc'],
    ['(?n)(a)b', 'ab'],
    ['\\Aab\\z', 'ab'],
    ['ab\\Z', 'ab\n'],
    ['ab$', 'ab\n'],
    ['(?m)^b$', 'a\nb\nc'],
    ['(?s)a.b', 'a\nb'],
    ['a.b', 'a\rb'],
    ['(?>a+)b', 'aab'],
    ['[a-z-[aeiou]]+$', 'xyz'],
    ['[^a-z-[b]]', 'A'],
    ['[]a]', ']'],
    ['[^]a]', 'b'],
    ['a{,2}', 'a{,2}'],
    ['a{x}', 'a{x}'],
    ['\\x41\\u0042\\101?'.slice(0, 10), 'AB'],
    ['\\e\\a\\cA', '\x1b\x07\x01'],
    ['^\\p{Lu}\\P{Lu}', 'Éa'],
    ['^\\w+$', 'Größe_٣'],
    ['^\\d$', '٣'],
    ['\\s', '\u0085'],
    ['^[^$].*', 'Order'],
    ['^(?!\\$|\\w+-internal)', 'order-1'],
    ['(?<=order-)\\d', 'order-1'],
    ['[\\b]', '\b'],
    ['[\\w-]+$', 'a-b'],
    ['\\.', '.'],
    ['', 'anything'],
    ['b*', 'a'],
    ['ab*c?', 'xa'],
  ])('%s matches %j', (source, text) => {
    expect(matches(source, text)).toBe(true);
  });

  it.each([
    ['^order', 'Order'],
    ['(?-i)A', 'a'],
    ['^Order(?i)placed$', 'ORDERplaced'],
    ['ab\\z', 'ab\n'],
    ['^b$', 'a\nb\nc'],
    ['a.b', 'a\nb'],
    ['(?>a+)ab', 'aab'],
    ['^[a-z-[aeiou]]+$', 'xaz'],
    ['^[^$].*', '$metadata'],
    ['^(?!\\$|\\w+-internal)', 'x-internal'],
    ['(?x)a b', 'a b'],
    ['[^\\w]', 'ä'],
  ])('%s does not match %j', (source, text) => {
    expect(matches(source, text)).toBe(false);
  });
});

describe('an expression that cannot be used', () => {
  it.each([
    '(',
    ')',
    'a)',
    '(?',
    '(?<a',
    '[a',
    '[b-a]',
    '[a-\\d]',
    '*a',
    'a**',
    'a*+',
    'a{2}{3}',
    'a{3,2}',
    '\\',
    '\\q',
    '\\1',
    '\\k<a>',
    '(?(a)b|c)',
    '(?<a-b>c)',
    '(?y:a)',
    '\\p{IsGreek}',
    '\\p{L',
    'a{5000}',
    '(?:a{1000}){1000}',
    'a'.repeat(10_001),
    '(?P<a>b)',
    '[a-[b]c]',
    '('.repeat(5_000),
    '['.repeat(5_000),
    '[a-'.repeat(5_000),
  ])('%s is refused', (source) => {
    expect(() => new Regex(source)).toThrow(BadRegex);
  });

  it('is refused, whatever it is, and does no harm', () => {
    const piece = fc.constantFrom(
      ..."()[]{}*+?|\\^$.-,:=!<>#'aA01dwpPkxucib \n".split(''),
      '(?',
      '(?<',
      '(?<=',
      '{1,2}',
      '[^',
      '\\p{L}',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), fc.string({ maxLength: 10 }), (pieces, text) => {
        try {
          matches(pieces.join(''), text);
        } catch (error) {
          expect(error).toBeInstanceOf(BadRegex);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('an expression that makes other engines backtrack without end', () => {
  it.each([
    ['^(a+)+$', `${'a'.repeat(60_000)}b`],
    ['^(a|a)*$', `${'a'.repeat(60_000)}b`],
    ['^(a|aa|aaa)+$', `${'a'.repeat(20_000)}b`],
    ['(.*)*(.*)*(.*)*x', 'a'.repeat(20_000)],
    ['a.*a.*a.*a.*b$', 'a'.repeat(20_000)],
    ['^(\\w+\\s?)*$', `${'word '.repeat(10_000)}!`],
    ['(?=(a+)+$)b', 'a'.repeat(2_000)],
  ])('%s takes no longer than necessary', (source, text) => {
    const before = performance.now();
    expect(matches(source, text)).toBe(false);
    expect(performance.now() - before).toBeLessThan(3_000);
  });

  it('is aborted if it would take long here too', () => {
    const expression = new Regex('^(?:(?=.*x)|(?!.*y)a)*$');
    expect(() => expression.test(`${'a'.repeat(60_000)}b`)).toThrow(RegexTooSlow);
    expect(expression.test('aaa')).toBe(true);
  });
});
