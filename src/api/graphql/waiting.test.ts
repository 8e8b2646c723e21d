import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { CALLER, GATE } from '../../../test/support/execution-fixtures.ts';
import { cancelExecution } from '../../commands/execution/cancel-execution.ts';
import { cancelTask } from '../../commands/task/cancel-task.ts';
import { publishWorkflow } from '../../commands/workflow/publish-workflow.ts';
import { commandIdOf, executionIdOf, taskIdOf } from '../../domain/ids.ts';
import { MAX_WAIT_MS } from '../../processes/outcomes/waits.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await publishWorkflow(api.commands, CALLER, GATE);
});
afterAll(() => api.stop());

const SUBMIT = `mutation ($waitMs: Int, $key: String) {
  submitTask(input: { capability: "work" }, waitMs: $waitMs, idempotencyKey: $key) {
    ... on TaskAccepted { taskId outcome { status result error { code } } }
  }
}`;
const START = `mutation ($waitMs: Int, $key: String) {
  startExecution(input: { workflow: "gate" }, waitMs: $waitMs, idempotencyKey: $key) {
    ... on ExecutionAccepted { executionId outcome { status output } }
  }
}`;

const taskOf = (key: string): string => taskIdOf(commandIdOf('default', 'SubmitTask', key));
const executionOf = (key: string): string => executionIdOf(commandIdOf('default', 'StartExecution', key));
const recorded = (id: string) =>
  expect.poll(async () => (await api.events()).some(({ stream }) => stream.endsWith(id)), { interval: 5 }).toBe(true);

describe('a mutation with waitMs', () => {
  it('answers with the outcome of the task', async () => {
    const answer = api.post(SUBMIT, { waitMs: 10_000, key: 'one' });
    await recorded(taskOf('one'));
    await cancelTask(api.commands, CALLER, taskOf('one'));
    expect((await answer).body.data.submitTask).toEqual({
      taskId: taskOf('one'),
      outcome: { status: 'CANCELLED', result: null, error: null },
    });
  });

  it('answers with the outcome of the execution', async () => {
    const answer = api.post(START, { waitMs: 10_000, key: 'one' });
    await recorded(executionOf('one'));
    await cancelExecution(api.commands, CALLER, executionOf('one'));
    expect((await answer).body.data.startExecution.outcome).toEqual({ status: 'CANCELLED', output: null });
  });

  it.each([1, 0, null])('answers without one after %j ms', async (waitMs) => {
    const { body } = await api.post(SUBMIT, { waitMs });
    expect(body.data.submitTask).toEqual({ taskId: expect.any(String), outcome: null });
  });

  it.each([-1, MAX_WAIT_MS + 1])('refuses %d ms, and records nothing', async (waitMs) => {
    const before = (await api.events()).length;
    const { code, body } = await api.post(SUBMIT, { waitMs });
    expect(code).toBe('BAD_USER_INPUT');
    expect(body.errors[0].extensions.issues).toMatchObject([{ pointer: '/waitMs', code: 'OUT_OF_RANGE' }]);
    expect((await api.events()).length).toBe(before);
  });
});

describe('a wait ends', () => {
  it('when the client closes its connection', async () => {
    const leaving = new AbortController();
    const body = JSON.stringify({ query: SUBMIT, variables: { waitMs: 60_000 } });
    const headers = { 'content-type': 'application/json' };
    const answer = fetch(`${api.url}/graphql`, { method: 'POST', body, headers, signal: leaving.signal });
    await expect.poll(() => api.waits.size, { interval: 5 }).toBe(1);
    leaving.abort();
    await expect(answer).rejects.toThrow('aborted');
    await expect.poll(() => api.waits.size, { interval: 5 }).toBe(0);
  });

  it('when the client closes its WebSocket', async () => {
    const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await once(socket, 'open');
    const send = (message: object) => socket.send(JSON.stringify(message));
    send({ type: 'connection_init' });
    await once(socket, 'message');
    send({ id: '1', type: 'subscribe', payload: { query: SUBMIT, variables: { waitMs: 60_000 } } });
    await expect.poll(() => api.waits.size, { interval: 5 }).toBe(1);
    socket.close();
    await expect.poll(() => api.waits.size, { interval: 5 }).toBe(0);
  });

  it('when the server stops: the client gets the id', async () => {
    const own = await startApi();
    const answer = own.post(SUBMIT, { waitMs: 60_000 });
    await expect.poll(() => own.waits.size, { interval: 5 }).toBe(1);
    await own.api.close();
    expect((await answer).body.data.submitTask).toEqual({ taskId: expect.any(String), outcome: null });
    await own.stop();
  });
});
