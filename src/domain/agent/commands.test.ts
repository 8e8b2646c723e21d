import { describe, expect, it } from 'vitest';
import { RegisterAgentInput, UpdateAgentInput } from './commands.ts';

const fieldOf = (schema: typeof RegisterAgentInput | typeof UpdateAgentInput, input: object): string | undefined =>
  schema.safeParse(input).error?.issues[0]?.path.join('.');

describe('an agent that gives only its id', () => {
  it('gets the defaults', () =>
    expect(RegisterAgentInput.parse({ agentId: 'anna' })).toEqual({
      agentId: 'anna',
      pool: 'default',
      maxConcurrency: 10,
      delivery: 'at_least_once',
      labels: {},
      replace: false,
    }));
});

describe('the capabilities of an agent', () => {
  const versionOf = (version: string | undefined): unknown =>
    RegisterAgentInput.safeParse({ agentId: 'a', capabilities: [{ name: 'c', version }] }).data?.capabilities?.[0]
      ?.version;

  it('have version 1.0.0 unless they say otherwise', () => expect(versionOf(undefined)).toBe('1.0.0'));

  it.each([
    ['1.2.3', '1.2.3'],
    ['v1.2.3', '1.2.3'],
    [' 1.2.3-rc.1 ', '1.2.3-rc.1'],
    ['1.2.3+build.7', '1.2.3'],
  ])('keep %j as %j', (version, kept) => expect(versionOf(version)).toBe(kept));

  it.each(['', '1', '1.2', 'latest', '1.2.3.4', '^1.2.3', '01.2.3'])('refuse the version %j', (version) =>
    expect(versionOf(version)).toBeUndefined(),
  );

  it.each(['', 'a b', '-a', 'a/b', 'ä', 'x'.repeat(129)])('refuse the name %j', (name) =>
    expect(fieldOf(RegisterAgentInput, { agentId: 'a', capabilities: [{ name }] })).toBe('capabilities.0.name'),
  );

  it('are 1 to 200', () => {
    expect(fieldOf(RegisterAgentInput, { agentId: 'a', capabilities: [] })).toBe('capabilities');
    const many = Array.from({ length: 201 }, (_, n) => ({ name: `c${n}` }));
    expect(fieldOf(RegisterAgentInput, { agentId: 'a', capabilities: many })).toBe('capabilities');
  });
});

describe('a registration', () => {
  it.each([
    { agentId: '' },
    { agentId: 'a/b' },
    { pool: 'a-b' },
    { name: '   ' },
    { name: 'a\u0000' },
    { name: 'x'.repeat(201) },
    { description: '\ud800' },
    { cardUrl: 'ftp://host/card' },
    { cardUrl: 'nonsense' },
    { maxConcurrency: 0 },
    { maxConcurrency: 10_001 },
    { maxConcurrency: 1.5 },
    { delivery: 'exactly_once' },
    { heartbeatIntervalMs: 99 },
    { costPerCall: { currency: 'eur', micros: 1 } },
    { costPerCall: { currency: 'EUR', micros: -1 } },
    { labels: { '': 'x' } },
    { labels: { a: '\u0000' } },
    { labels: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`l${n}`, ''])) },
    { tenant: 'other' },
  ])('is refused with %o', (facts) => {
    const parsed = RegisterAgentInput.safeParse({ agentId: 'anna', ...facts });
    expect(parsed.success).toBe(false);
    const [field] = Object.keys(facts);
    expect(JSON.stringify(parsed.error?.issues[0])).toContain(`"${field}"`);
  });

  it('keeps the name without the space around it', () =>
    expect(RegisterAgentInput.parse({ agentId: 'a', name: ' Anna ' }).name).toBe('Anna'));

  it('rejects a label that would change a prototype', () => {
    const labels = RegisterAgentInput.parse({ agentId: 'a', labels: JSON.parse('{"__proto__":"x","a":"b"}') }).labels;
    expect(Object.entries(labels)).toEqual([['a', 'b']]);
  });
});

describe('an update', () => {
  it('names only what changes', () => expect(UpdateAgentInput.parse({ name: 'Bert' })).toEqual({ name: 'Bert' }));

  it.each([{ pool: 'other' }, { agentId: 'bert' }, { delivery: 'at_most_once' }, { maxConcurrency: 0 }])(
    'is refused with %o',
    (changes) => expect(UpdateAgentInput.safeParse(changes).success).toBe(false),
  );
});
