import { describe, expect, it } from 'vitest';
import { AgentFailure, type LocalAgentFunction, LocalAgents, LocalTransport } from './local.ts';
import { CallAborted, type Invocation, TransportError } from './transport.ts';

const invocation = (overrides: Partial<Invocation> = {}): Invocation => ({
  tenant: 'default',
  agent: { agentId: 'a' } as Invocation['agent'],
  taskId: 'task',
  attempt: 2,
  capability: 'work',
  input: { n: 1 },
  checkpoint: { at: 3 },
  messageId: 'message',
  effectKey: 'task',
  signal: new AbortController().signal,
  remoteTaskId: undefined,
  onRemoteTask: () => {},
  onProgress: () => {},
  ...overrides,
});

const call = (fn: LocalAgentFunction, overrides: Partial<Invocation> = {}) => {
  const agents = new LocalAgents();
  agents.register({ tenant: 'default', agentId: 'a' }, fn);
  return new LocalTransport(agents).invoke(invocation(overrides));
};

describe('a function that is an agent', () => {
  it('gets its input, ids and checkpoint', async () => {
    await expect(
      call((input, { taskId, attempt, capability, effectKey, checkpoint }) => ({
        input,
        taskId,
        attempt,
        capability,
        effectKey,
        checkpoint: checkpoint as never,
      })),
    ).resolves.toEqual({
      input: { n: 1 },
      taskId: 'task',
      attempt: 2,
      capability: 'work',
      effectKey: 'task',
      checkpoint: { at: 3 },
    });
  });

  it.each<[string, LocalAgentFunction]>([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
    ['throws something that is not an error', () => Promise.reject('no')],
  ])('that %s has failed', async (_, fn) => {
    await expect(call(fn)).rejects.toMatchObject({
      name: 'TransportError',
      code: 'AGENT_FAILED',
      message: 'no',
      source: 'agent',
      retryable: true,
      outcomeKnown: true,
    });
  });

  it('that throws a value without a text fails nevertheless', async () => {
    const fn = () => {
      throw Object.create(null);
    };
    await expect(call(fn)).rejects.toMatchObject({ name: 'TransportError', code: 'AGENT_FAILED' });
  });

  it('may give its failure a code and declare a retry useless', async () => {
    const fn = () => {
      throw new AgentFailure('NO_FACTOR', 'none for ATA', { retryable: false });
    };
    await expect(call(fn)).rejects.toMatchObject({ code: 'NO_FACTOR', message: 'none for ATA', retryable: false });
  });

  it('is left running when its call is aborted, and is not called if it was aborted before', async () => {
    const controller = new AbortController();
    const pending = call(() => new Promise(() => {}), { signal: controller.signal });
    const reason = new CallAborted('closed');
    controller.abort(reason);
    await expect(pending).rejects.toBe(reason);
    let calls = 0;
    await expect(call(() => ++calls, { signal: controller.signal })).rejects.toBe(reason);
    expect(calls).toBe(0);
  });

  it('of another process is not found', async () => {
    await expect(new LocalTransport(new LocalAgents()).invoke(invocation())).rejects.toSatisfy(
      (error) => error instanceof TransportError && error.code === 'AGENT_NOT_HERE' && error.source === 'baton',
    );
  });
});

describe('the agents of a process', () => {
  it('are reported to listeners once each, including those registered before', () => {
    const agents = new LocalAgents();
    const heard: string[] = [];
    agents.register({ tenant: 'default', agentId: 'early' }, () => 1);
    const stop = agents.onRegistered(({ tenant, agentId }) => heard.push(`${tenant}.${agentId}`));
    agents.register({ tenant: 'acme', agentId: 'late' }, () => 1);
    agents.register({ tenant: 'acme', agentId: 'late' }, () => 2);
    stop();
    agents.register({ tenant: 'default', agentId: 'unheard' }, () => 1);
    expect(heard).toEqual(['default.early', 'acme.late']);
    expect(agents.find({ tenant: 'acme', agentId: 'late' })?.(null, {} as never)).toBe(2);
    expect(agents.find({ tenant: 'default', agentId: 'late' })).toBeUndefined();
  });
});
