import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { REGISTER, startApi, type TestApi } from '../../test/support/api-harness.ts';
import { REST_PATH } from './rest/operation.ts';

const DISCOVER = `query ($input: DiscoverAgentsInput!) {
  discoverAgents(input: $input) {
    total position agents { agentId healthScore freeSlots location { region zone } version } leftOut { reason count agentIds }
  }
}`;

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  for (const input of [
    {
      agentId: 'anna',
      capabilities: [{ name: 'translate', version: '2.0.0' }],
      location: { region: 'eu', zone: null },
    },
    { agentId: 'bert', capabilities: [{ name: 'translate' }], version: '1.1.0', tags: ['gpu'] },
    { agentId: 'carl', capabilities: [{ name: 'draw' }] },
  ])
    await api.post(REGISTER, { input });
  await vi.waitFor(async () => expect((await discover({})).body.data?.discoverAgents.total).toBe(3), 20_000);
}, 60_000);
afterAll(() => api.stop());

const discover = (input: object) => api.post(DISCOVER, { input });

const rest = async (body: unknown) => {
  const response = await fetch(`${api.url}${REST_PATH}/agents/discover`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  return { status: response.status, body: (await response.json()) as any };
};

describe('a discovery', () => {
  it('answers from memory with the agents that fit and why the others do not, at a position', async () => {
    const { body } = await discover({
      capabilities: [{ name: 'translate', versionRange: '^2.0.0' }],
      readiness: 'ABLE_NOW',
      tags: null,
    });
    expect(body.data.discoverAgents).toEqual({
      total: 1,
      position: expect.stringMatching(/^\d+$/),
      agents: [
        { agentId: 'anna', healthScore: 1, freeSlots: 10, location: { region: 'eu', zone: null }, version: null },
      ],
      leftOut: [
        { reason: 'CAPABILITY', count: 1, agentIds: ['carl'] },
        { reason: 'VERSION', count: 1, agentIds: ['bert'] },
      ],
    });
  });

  it('is the same over REST', async () => {
    const { status, body } = await rest({ tags: ['gpu'], agentVersion: '1.x' });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      total: 1,
      agents: [{ agentId: 'bert', version: '1.1.0', health: 'healthy', draining: false }],
      leftOut: [{ reason: 'tag', count: 2, agentIds: ['anna', 'carl'] }],
    });
  });

  it.each([
    [{ capabilities: [{ name: 'a b' }] }, '/capabilities/0/name'],
    [{ capabilities: [{ name: 'a', versionRange: 'x y' }] }, '/capabilities/0/versionRange'],
    [{ minHealth: 2 }, '/minHealth'],
    [{ limit: 0 }, '/limit'],
    [{ agentVersion: '' }, '/agentVersion'],
  ])('is refused with %j, on every protocol, and records nothing', async (input, pointer) => {
    const { status, code, body } = await discover(input);
    expect({ status, code }).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
    expect(body.errors[0].extensions.issues[0].pointer).toBe(`/input${pointer}`);
    expect(await rest(input)).toMatchObject({ status: 400, body: { code: 'BAD_USER_INPUT', issues: [{ pointer }] } });
    expect(await api.events()).toHaveLength(3);
  });

  it('asks the read models when this process does not know enough of the log', async () => {
    const query = DISCOVER.replace(
      '$input: DiscoverAgentsInput!',
      '$input: DiscoverAgentsInput!, $at: Position',
    ).replace('input: $input', 'input: $input, atLeast: $at');
    expect((await api.post(query, { input: {}, at: '999999' })).code).toBe('UNAVAILABLE');
  });
});
