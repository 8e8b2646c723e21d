import { describe, expect, it } from 'vitest';
import { RegisterAgentInput, UpdateAgentInput } from './commands.ts';
import { agentVersionOf } from './descriptor.ts';
import { agentEvents } from './events.ts';

const FULL = {
  version: '2.1.0',
  serviceTypes: ['computation', 'reporting'],
  tags: ['gpu', 'eu only'],
  location: { region: 'eu-west', zone: 'b' },
  weight: 1.5,
  costFactor: 15,
  sla: { availability: 0.999, p95Ms: 1_000, errorRate: 0.01 },
  constraints: { maxInputBytes: 65_536, maxTimeoutMs: 60_000 },
};
const CAPABILITY = { name: 'translate', version: '1.0.0', confidence: 0.9, specialisations: ['legal', 'medical'] };
const input = { agentId: 'anna', capabilities: [CAPABILITY], ...FULL };

describe('a descriptor', () => {
  it('is kept as it is given, and stays absent where nothing is said', () => {
    expect(RegisterAgentInput.parse(input)).toMatchObject({ capabilities: [CAPABILITY], ...FULL });
    for (const field of Object.keys(FULL))
      expect(RegisterAgentInput.parse({ agentId: 'anna' })).not.toHaveProperty(field);
  });

  it('fits the events', () => {
    const profile = {
      ...FULL,
      agentId: 'anna',
      pool: 'default',
      name: 'Anna',
      capabilities: [CAPABILITY],
      transport: { kind: 'local' },
      maxConcurrency: 1,
      delivery: 'at_least_once',
      labels: {},
      registeredAt: '2026-03-01T12:00:00.000Z',
    };
    expect(agentEvents.AgentRegistered.schema.parse(profile)).toEqual(profile);
  });

  it('can be changed later, field by field', () =>
    expect(UpdateAgentInput.parse({ weight: 2, tags: [] })).toEqual({ weight: 2, tags: [] }));

  it.each([
    ['version', 'one'],
    ['version', 2],
    ['serviceTypes', ['cooking']],
    ['serviceTypes', ['analysis', 'analysis']],
    ['tags', 'gpu'],
    ['tags', ['']],
    ['tags', ['a\u0000']],
    ['tags', ['a', 'a']],
    ['tags', Array.from({ length: 65 }, (_, n) => `t${n}`)],
    ['location', { zone: 'b' }],
    ['location', { region: '' }],
    ['location', { region: 'eu', city: 'x' }],
    ['weight', 0],
    ['weight', 1_001],
    ['weight', Number.NaN],
    ['costFactor', -1],
    ['costFactor', Number.POSITIVE_INFINITY],
    ['sla', { availability: 1.1 }],
    ['sla', { p95Ms: 0.5 }],
    ['sla', { price: 1 }],
    ['constraints', { maxInputBytes: 0 }],
    ['constraints', { maxTimeoutMs: '1' }],
  ])('is refused with %s %j', (field, value) => {
    for (const parsed of [
      RegisterAgentInput.safeParse({ agentId: 'anna', [field]: value }),
      UpdateAgentInput.safeParse({ [field]: value }),
    ])
      expect(parsed.error?.issues[0]?.path[0]).toBe(field);
  });

  it.each([
    ['confidence', -0.1],
    ['confidence', 1.1],
    ['confidence', '1'],
    ['specialisations', ['a', 'a']],
    ['specialisations', Array.from({ length: 33 }, (_, n) => `s${n}`)],
    ['skill', 'x'],
  ])('is refused with a capability whose %s is %j', (field, value) =>
    expect(
      RegisterAgentInput.safeParse({ agentId: 'a', capabilities: [{ name: 'c', [field]: value }] }).error?.issues[0],
    ).toMatchObject({ path: ['capabilities', 0, ...(field === 'skill' ? [] : [field])] }),
  );
});

describe('the version of an agent', () => {
  const card = (version: unknown) => ({ transport: { kind: 'a2a', card: { version } } }) as const;

  it('is what its profile says, else what its card says, if that is semver', () => {
    expect(agentVersionOf({ version: '2.0.0', ...card('1.0.0') })).toBe('2.0.0');
    expect(agentVersionOf(card('v1.0.0'))).toBe('1.0.0');
    for (const version of ['latest', 1, undefined, null, `1.0.0-${'x'.repeat(200)}`])
      expect(agentVersionOf(card(version))).toBeUndefined();
    expect(agentVersionOf({ transport: { kind: 'a2a', card: null } })).toBeUndefined();
    expect(agentVersionOf({ transport: { kind: 'local' } })).toBeUndefined();
  });
});
