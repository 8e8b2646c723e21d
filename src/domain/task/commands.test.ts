import fc from 'fast-check';
import semver from 'semver';
import { describe, expect, it } from 'vitest';
import { MAX_PAYLOAD_BYTES } from '../json.ts';
import { DEFAULT_RETRY } from '../retry.ts';
import { ProgressInput, SubmitTaskInput, VersionRange } from './commands.ts';

const messageOf = (range: string): string | undefined => VersionRange.safeParse(range).error?.issues[0]?.message;

describe('a version range', () => {
  it.each(['1.2.3', '^1.2.0', '~1.2', '>=1.0.0 <2.0.0', '1.x', '*', '1 || 3', '1.0.0 - 2.0.0', '>=1.2.3-rc.1'])(
    'may be %j',
    (range) => expect(messageOf(range)).toBeUndefined(),
  );

  it.each(['', ' ', '1 ||', '|| 1', '1 || || 2', '>1 ||   '])('must not allow every version by accident: %j', (range) =>
    expect(messageOf(range)).toBe(
      'BAD_VERSION_RANGE: an empty range or alternative means any version: leave the field out',
    ),
  );

  it.each(['latest', '1.2.3.4', 'git+ssh:x', '^', 'one', '>=', '1.2.3 ^^ 2'])(
    'is refused when it is invalid: %j',
    (range) => expect(messageOf(range)).toBe('BAD_VERSION_RANGE: is not a semver range'),
  );

  it.each(['>=1.0.0 <0.5.0', '<0.0.0', '>1.2.3 <1.2.4', '>2 <1 || >4 <3', '>=1.2.3 <1.2.3-rc', '1.0.0 2.0.0'])(
    'is refused when nothing satisfies it: %j',
    (range) => expect(messageOf(range)).toBe('BAD_VERSION_RANGE: no version satisfies it'),
  );

  it('may contain an alternative that nothing satisfies', () => expect(messageOf('1 || >2 <1')).toBeUndefined());

  it('of a megabyte is rejected at once for its length alone', () => {
    const startedMs = performance.now();
    expect(messageOf('1 '.repeat(500_000))).toMatch(/<=200/);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });

  it('is rejected as unsatisfiable exactly when no version satisfies it', () => {
    const number = fc.integer({ min: 0, max: 2 });
    const version = fc.tuple(number, number, number).map((parts) => parts.join('.'));
    const comparator = fc
      .tuple(fc.constantFrom('', '>', '>=', '<', '<=', '^', '~'), version)
      .map(([sign, bound]) => `${sign}${bound}`);
    const range = fc
      .array(fc.array(comparator, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 })
      .map((alternatives) => alternatives.map((comparators) => comparators.join(' ')).join(' || '));
    const parts = [0, 1, 2, 3];
    const grid = parts.flatMap((major) => parts.flatMap((minor) => parts.map((patch) => `${major}.${minor}.${patch}`)));
    fc.assert(
      fc.property(range, (text) => {
        expect(messageOf(text) === undefined).toBe(grid.some((candidate) => semver.satisfies(candidate, text)));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a submission', () => {
  it('with only a capability gets the defaults, and leaves the strategy to the rules', () =>
    expect(SubmitTaskInput.parse({ capability: 'translate' })).toEqual({
      capability: 'translate',
      input: null,
      pool: 'default',
      priority: 3,
      retry: DEFAULT_RETRY,
      tags: [],
    }));

  it('names the tasks that it depends on in lower case', () => {
    const id = '2222222A-2222-5222-8222-222222222222';
    expect(SubmitTaskInput.parse({ capability: 'a', dependsOn: [id] }).dependsOn).toEqual([id.toLowerCase()]);
  });

  it.each([
    { capability: '' },
    { capability: 'a b' },
    { priority: 0 },
    { priority: 6 },
    { priority: -1 },
    { priority: 2.5 },
    { strategy: 'best_guess' },
    { strategy: 'broadcast' },
    { affinityKey: '' },
    { affinityKey: 'k'.repeat(201) },
    { affinityKey: 7 },
    { specialisation: 's'.repeat(65) },
    { targets: [] },
    { targets: ['a', 'a'] },
    { targets: ['no good'] },
    { targets: Array.from({ length: 21 }, (_, index) => `agent-${index}`) },
    { timeoutMs: 0 },
    { complexity: 0 },
    { complexity: -1 },
    { complexity: 1_001 },
    { complexity: '1' },
    { dependsOn: [] },
    { dependsOn: ['t1'] },
    { dependsOn: [...Array.from({ length: 2 }, () => '22222222-2222-5222-8222-222222222222')] },
    { dependsOn: ['2222222a-2222-5222-8222-222222222222', '2222222A-2222-5222-8222-222222222222'] },
    {
      dependsOn: Array.from({ length: 21 }, (_, n) => `22222222-2222-5222-8222-${String(n).padStart(12, '0')}`),
    },
    { timeoutMs: 2_147_483_648 },
    { retry: { maxAttempts: 0 } },
    { retry: { jitter: 2 } },
    { deadlineAt: '2026-02-30T00:00:00Z' },
    { deadlineAt: '2026-03-01T24:00:00Z' },
    { deadlineAt: '2026-03-01T12:00:00' },
    { deadlineAt: '1/2/26' },
    { deadlineAt: '9999-12-31T23:59:59-01:00' },
    { tags: Array.from({ length: 21 }, () => 't') },
    { tags: [''] },
    { tags: ['a\u0000'] },
    { tags: ['\ud800'] },
    { pool: 'a-b' },
    { versionRange: '1 ||' },
    { input: 'x'.repeat(MAX_PAYLOAD_BYTES) },
    { input: ['\u0000'] },
    { status: 'completed' },
    { taskId: '11111111-1111-5111-8111-111111111111' },
    { timeoutSecond: 3 },
  ])('is refused with %o', (facts) => {
    const parsed = SubmitTaskInput.safeParse({ capability: 'translate', ...facts });
    expect(parsed.success).toBe(false);
    const [field] = Object.keys(facts);
    expect(JSON.stringify(parsed.error?.issues[0])).toContain(`"${field}"`);
  });

  it('says why there is no broadcast', () =>
    expect(SubmitTaskInput.safeParse({ capability: 'c', strategy: 'broadcast' }).error?.issues[0]?.message).toBe(
      'broadcast gives a task to several agents, and a task has one: submit one task for each agent',
    ));

  it('accepts a deadline with any UTC offset', () =>
    expect(SubmitTaskInput.parse({ capability: 'c', deadlineAt: '2026-03-01T12:00:00+05:30' }).deadlineAt).toBe(
      '2026-03-01T12:00:00+05:30',
    ));
});

describe('a report of progress', () => {
  it('may be empty', () => expect(ProgressInput.parse({})).toEqual({}));
  it.each([
    { percent: -1 },
    { percent: 101 },
    { percent: Number.NaN },
    { message: '\u0000' },
    { checkpoint: [Number.POSITIVE_INFINITY] },
  ])('is refused with %o', (progress) => expect(ProgressInput.safeParse(progress).success).toBe(false));
});
