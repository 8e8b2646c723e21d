import { describe, expect, it } from 'vitest';
import { commandsOver, fakeClock } from '../../../test/support/fake-ports.ts';
import { agentStream } from '../../domain/ids.ts';
import { createMemoryEventStore } from '../../eventstore/memory-event-store.ts';
import { AppError } from '../../platform/errors.ts';
import type { AgentCardFacts, Caller } from '../context.ts';
import { changeAgentHealth } from './change-agent-health.ts';
import { deregisterAgent } from './deregister-agent.ts';
import { drainAgent } from './drain-agent.ts';
import { registerAgent, registerAgents } from './register-agent.ts';
import { updateAgent } from './update-agent.ts';

const ada: Caller = { tenant: 'acme', actor: 'ada' };
const LOCAL = { agentId: 'anna', capabilities: [{ name: 'translate' }] };
const CARD_URL = 'http://localhost:9000/.well-known/agent-card.json';
const CARD: AgentCardFacts = {
  name: 'Anna of the card',
  description: 'translates',
  skills: ['translate', 'draw', 'translate', 'not a capability name!'],
  card: { name: 'Anna of the card' },
};

const setUp = (card: Partial<AgentCardFacts> = {}) => {
  const clock = fakeClock(undefined, 'immediate');
  const store = createMemoryEventStore({ clock });
  const commands = commandsOver(store, { clock, cards: { fetch: async () => ({ ...CARD, ...card }) } });
  const eventsOf = () => store.readStream(agentStream('acme', 'anna'));
  return { clock, store, commands, eventsOf };
};

describe('registering a local agent', () => {
  it('records its whole profile', async () => {
    const { commands, eventsOf } = setUp();
    expect(await registerAgent(commands, ada, LOCAL)).toMatchObject({
      ok: true,
      value: { id: 'anna', repeated: false },
    });
    expect(await eventsOf()).toMatchObject([
      {
        type: 'AgentRegistered',
        data: {
          agentId: 'anna',
          name: 'anna',
          pool: 'default',
          capabilities: [{ name: 'translate', version: '1.0.0' }],
          transport: { kind: 'local' },
          maxConcurrency: 10,
        },
        metadata: { tenant: 'acme', actor: 'ada' },
      },
    ]);
  });

  it('again with the same profile records nothing and returns its position', async () => {
    const { commands, store, eventsOf } = setUp();
    await registerAgent(commands, ada, LOCAL);
    expect(await registerAgent(commands, ada, LOCAL)).toEqual({
      ok: true,
      value: { id: 'anna', repeated: true, position: await store.head() },
    });
    expect(await eventsOf()).toHaveLength(1);
  });

  it('with another profile is refused unless it asks to replace', async () => {
    const { commands, eventsOf } = setUp();
    await registerAgent(commands, ada, LOCAL);
    const other = { ...LOCAL, maxConcurrency: 3 };
    expect(await registerAgent(commands, ada, other)).toEqual({
      ok: false,
      rejection: { reason: 'AgentAlreadyRegistered' },
    });
    expect(await registerAgent(commands, ada, { ...other, replace: true })).toMatchObject({ ok: true });
    expect(await eventsOf()).toHaveLength(2);
  });

  it('with a key that was used before returns the first outcome even if its card is gone', async () => {
    let gone = false;
    const { commands, store } = setUp();
    const fetch = async (): Promise<AgentCardFacts> => {
      if (gone) throw new AppError('BAD_USER_INPUT', 'no agent card there');
      return CARD;
    };
    const withCards = { ...commands, cards: { fetch } };
    const caller = { ...ada, idempotencyKey: 'k1' };
    const input = { agentId: 'anna', cardUrl: CARD_URL };
    const first = await registerAgent(withCards, caller, input);
    gone = true;
    const position = await store.head();
    expect(first).toEqual({ ok: true, value: { id: 'anna', repeated: false, position } });
    expect(await registerAgent(withCards, caller, input)).toEqual({
      ok: true,
      value: { id: 'anna', repeated: true, position },
    });
    await expect(registerAgent(withCards, caller, { ...input, maxConcurrency: 3 })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
    await expect(registerAgent(withCards, ada, input)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  it('needs a capability', async () => {
    const { commands } = setUp();
    await expect(registerAgent(commands, ada, { agentId: 'anna' })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      issues: [{ pointer: '/capabilities', code: 'REQUIRED' }],
    });
  });

  it('makes another agent in another tenant', async () => {
    const { commands, store } = setUp();
    await registerAgent(commands, ada, LOCAL);
    expect(
      await registerAgent(commands, { ...ada, tenant: 'umbrella' }, { ...LOCAL, maxConcurrency: 1 }),
    ).toMatchObject({
      ok: true,
      value: { repeated: false },
    });
    expect((await store.readAll({ limit: 9 })).events.map(({ stream }) => stream)).toEqual([
      'agent-acme.anna',
      'agent-umbrella.anna',
    ]);
  });
});

describe('registering an agent by its card', () => {
  const input = { agentId: 'anna', cardUrl: CARD_URL };
  const profileOf = async (card: Partial<AgentCardFacts>, facts: object = {}) => {
    const { commands, eventsOf } = setUp(card);
    await registerAgent(commands, ada, { ...input, ...facts });
    return (await eventsOf())[0]?.data as Record<string, unknown>;
  };

  it('takes name, description and skills from the card, and stores the card', async () => {
    expect(await profileOf({})).toMatchObject({
      name: 'Anna of the card',
      description: 'translates',
      capabilities: [
        { name: 'translate', version: '1.0.0' },
        { name: 'draw', version: '1.0.0' },
      ],
      transport: { kind: 'a2a', cardUrl: CARD_URL, card: { name: 'Anna of the card' } },
    });
  });

  it('prefers what the caller gives', async () => {
    const said = { name: 'Bert', description: 'draws', capabilities: [{ name: 'draw', version: '2.0.0' }] };
    expect(await profileOf({}, said)).toMatchObject(said);
  });

  it('uses the id as the name when the card has none', async () => {
    expect(await profileOf({ name: ' ', description: undefined })).toMatchObject({ name: 'anna' });
  });

  it('cuts texts that are too long, but not within a character', async () => {
    const profile = await profileOf({ name: `${'x'.repeat(199)}😀`, description: `${'y'.repeat(1_999)}😀` });
    expect([profile['name'], profile['description']]).toEqual(['x'.repeat(199), 'y'.repeat(1_999)]);
  });

  it('refuses a card without a usable skill, or with too many', async () => {
    await expect(profileOf({ skills: ['not usable!'] })).rejects.toMatchObject({ issues: [{ code: 'REQUIRED' }] });
    await expect(profileOf({ skills: Array.from({ length: 201 }, (_, n) => `s${n}`) })).rejects.toMatchObject({
      message: '/capabilities: name at most 200 capabilities; the agent card has 201 skills',
    });
  });
});

describe('registering many agents', () => {
  const agents = (...ids: string[]) => ids.map((agentId) => ({ ...LOCAL, agentId }));

  it('registers each on its own, in the order of the list', async () => {
    const { commands, store } = setUp();
    const items = await registerAgents(commands, ada, {
      agents: [...agents('a'), { agentId: 'b c' }, ...agents('d'), { ...LOCAL, agentId: 'a', maxConcurrency: 3 }],
    });
    expect(items).toMatchObject([
      { index: 0, ok: true, accepted: { id: 'a', repeated: false } },
      { index: 1, ok: false, code: 'BAD_USER_INPUT', issues: [{ pointer: '/agentId' }] },
      { index: 2, ok: true, accepted: { id: 'd', repeated: false } },
      { index: 3, ok: false, code: 'AgentAlreadyRegistered' },
    ]);
    expect((await store.readAll({ limit: 9 })).events).toHaveLength(2);
  });

  it('gives the same answer under the same key, though the list was registered in between by somebody else', async () => {
    const { commands, store } = setUp();
    const caller = { ...ada, idempotencyKey: 'k' };
    const first = await registerAgents(commands, caller, { agents: agents('a', 'b') });
    await registerAgent(commands, ada, { ...LOCAL, agentId: 'a', maxConcurrency: 3, replace: true });
    const head = await store.head();
    const again = await registerAgents(commands, caller, { agents: agents('a', 'b') });
    const positions = (items: typeof first) => items.map((item) => item.ok && item.accepted.position);
    expect(positions(again)).toEqual(positions(first));
    expect(again).toMatchObject([{ accepted: { repeated: true } }, { accepted: { repeated: true } }]);
    expect(await store.head()).toBe(head);
    expect(await registerAgents(commands, caller, { agents: agents('a', 'c') })).toMatchObject([
      { ok: true, accepted: { repeated: true } },
      { ok: true, accepted: { id: 'c', repeated: false } },
    ]);
    const other = [{ ...LOCAL, agentId: 'a', maxConcurrency: 9 }];
    expect(await registerAgents(commands, caller, { agents: other })).toMatchObject([
      { code: 'IDEMPOTENCY_KEY_REUSED' },
    ]);
  });

  it('prefers the key of an item', async () => {
    const { commands } = setUp();
    const keyed = [{ ...LOCAL, idempotencyKey: 'own' }];
    await registerAgents(commands, { ...ada, idempotencyKey: 'k' }, { agents: keyed });
    expect(await registerAgents(commands, { ...ada, idempotencyKey: 'other' }, { agents: keyed })).toMatchObject([
      { accepted: { repeated: true } },
    ]);
  });

  it('fetches a bounded number of cards at a time', async () => {
    const { commands } = setUp();
    let [now, most] = [0, 0];
    const fetch = async (): Promise<AgentCardFacts> => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      return CARD;
    };
    const list = Array.from({ length: 100 }, (_, n) => ({ agentId: `a${n}`, cardUrl: CARD_URL }));
    const items = await registerAgents({ ...commands, cards: { fetch } }, ada, { agents: list });
    expect(items.every(({ ok }) => ok)).toBe(true);
    expect(most).toBe(32);
  });

  it.each([{ agents: [] }, { agents: 'a' }, { agents: Array.from({ length: 1_001 }, () => ({})) }, {}])(
    'is refused as a whole with %o',
    async (input) => {
      const { commands, store } = setUp();
      await expect(registerAgents(commands, ada, input)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
      expect(await store.head()).toBeUndefined();
    },
  );
});

describe('the life of an agent', () => {
  it('is recorded step by step, without repeats', async () => {
    const { commands, eventsOf } = setUp();
    await registerAgent(commands, ada, LOCAL);
    await updateAgent(commands, ada, 'anna', { maxConcurrency: 3 });
    await updateAgent(commands, ada, 'anna', { maxConcurrency: 3 });
    await changeAgentHealth(commands, ada, 'anna', { to: 'degraded', reason: 'slow' });
    await changeAgentHealth(commands, ada, 'anna', { to: 'degraded', reason: 'still slow' });
    await drainAgent(commands, ada, 'anna', { reason: 'upgrade' });
    expect(await drainAgent(commands, ada, 'anna')).toEqual({
      ok: false,
      rejection: { reason: 'AgentAlreadyDraining' },
    });
    await deregisterAgent(commands, ada, 'anna');
    expect((await eventsOf()).map(({ type }) => type)).toEqual([
      'AgentRegistered',
      'AgentReconfigured',
      'AgentHealthChanged',
      'AgentDrainStarted',
      'AgentDeregistered',
    ]);
  });

  it('ends with deregistration: the agent is not found until it registers again', async () => {
    const { commands } = setUp();
    await registerAgent(commands, ada, LOCAL);
    await deregisterAgent(commands, ada, 'anna', { reason: 'retired' });
    await expect(drainAgent(commands, ada, 'anna')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await registerAgent(commands, ada, LOCAL)).toMatchObject({ ok: true, value: { repeated: false } });
    expect(await drainAgent(commands, ada, 'anna')).toMatchObject({ ok: true });
  });

  it('gives the same answer under the same key, and refuses another body', async () => {
    const { commands } = setUp();
    await registerAgent(commands, ada, LOCAL);
    const caller = { ...ada, idempotencyKey: 'k' };
    const first = await updateAgent(commands, caller, 'anna', { maxConcurrency: 3 });
    expect(await updateAgent(commands, caller, 'anna', { maxConcurrency: 3 })).toEqual({
      ok: true,
      value: { ...(first.ok && first.value), repeated: true },
    });
    await expect(updateAgent(commands, caller, 'anna', { maxConcurrency: 4 })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
  });
});

describe('an agent that does not exist', () => {
  it.each(['nobody', '', '../x', 'x'.repeat(10_000), '\u0000'])('is not found: %j', async (agentId) => {
    const { commands, store } = setUp();
    for (const act of [
      updateAgent(commands, ada, agentId, { name: 'n' }),
      changeAgentHealth(commands, ada, agentId, { to: 'healthy', reason: 'r' }),
      drainAgent(commands, ada, agentId),
      deregisterAgent(commands, ada, agentId),
    ])
      await expect(act).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await store.head()).toBeUndefined();
  });
});

describe('bad input about an agent', () => {
  it.each([
    [{ agentId: 'a b' }, '/agentId'],
    [{ ...LOCAL, maxConcurrency: 0 }, '/maxConcurrency'],
    [{ ...LOCAL, cardUrl: 'file:///etc/passwd' }, '/cardUrl'],
    [{ ...LOCAL, labels: { a: 1 } }, '/labels/a'],
    [{ ...LOCAL, role: 'admin' }, '/role'],
  ])('%o names %s', async (input, pointer) => {
    const { commands } = setUp();
    await expect(registerAgent(commands, ada, input)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      issues: [{ pointer }],
    });
  });

  it.each([
    { to: 'dead', reason: 'r' },
    { to: 'healthy' },
    { to: 'healthy', reason: '' },
    { to: 'healthy', reason: '\u0000' },
  ])('is refused as a change of health: %o', (input) => {
    const { commands } = setUp();
    expect(() => changeAgentHealth(commands, ada, 'anna', input)).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT' }),
    );
  });
});
