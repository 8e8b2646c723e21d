import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SUBMIT, startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { CALLER, GATE } from '../../../test/support/execution-fixtures.ts';
import { cancelExecution } from '../../commands/execution/cancel-execution.ts';
import { cancelTask } from '../../commands/task/cancel-task.ts';
import { publishWorkflow } from '../../commands/workflow/publish-workflow.ts';
import { commandIdOf, executionIdOf, taskIdOf } from '../../domain/ids.ts';
import { ExecutionStarted } from './executions.ts';
import { REST_PATH } from './operation.ts';
import { SubmittedTasks, TaskSubmitted } from './tasks.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await publishWorkflow(api.commands, CALLER, GATE);
});
afterAll(() => api.stop());

const TASKS = '/tasks';
const EXECUTE = `/workflows/${GATE.name}/execute`;

const post = async (path: string, body: unknown, headers: Record<string, string> = {}, signal?: AbortSignal) => {
  const response = await fetch(`${api.url}${REST_PATH}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  return { status: response.status, headers: response.headers, body: (await response.json()) as any };
};

const taskOf = (key: string): string => taskIdOf(commandIdOf('default', 'SubmitTask', key));
const executionOf = (key: string): string => executionIdOf(commandIdOf('default', 'StartExecution', key));
const recorded = (id: string) =>
  expect.poll(async () => (await api.events()).some(({ stream }) => stream.endsWith(id)), { interval: 5 }).toBe(true);

describe('submitting a task', () => {
  it('is the same command as over GraphQL: the same key gives the same task', async () => {
    const first = await post(TASKS, { capability: 'work' }, { 'idempotency-key': 'both' });
    expect(first).toMatchObject({ status: 202, body: { taskId: taskOf('both'), repeated: false } });
    expect(first.headers.get('location')).toBe(`${REST_PATH}/tasks/${taskOf('both')}`);
    const { body } = await api.post(SUBMIT, { input: { capability: 'work' }, key: 'both' });
    expect(body.data.submitTask).toMatchObject({ taskId: taskOf('both'), repeated: true });
    const other = await post(TASKS, { capability: 'other' }, { 'idempotency-key': 'both' });
    expect(other).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
  });

  it('in bulk answers for each, also when the request is repeated over GraphQL', async () => {
    const tasks = [{ capability: 'work' }, { capability: '' }, { capability: 'work', idempotencyKey: 'own' }];
    const { status, body } = await post(`${TASKS}/bulk`, { tasks }, { 'idempotency-key': 'many' });
    expect(status).toBe(200);
    expect(SubmittedTasks.parse(body)).toMatchObject({
      acceptedCount: 2,
      items: [
        { index: 0, accepted: { taskId: taskOf('many/0'), repeated: false } },
        { index: 1, error: { code: 'BAD_USER_INPUT', issues: [{ pointer: '/capability' }] } },
        { index: 2, accepted: { taskId: taskOf('own') } },
      ],
    });
    const again = await api.post(
      'mutation { submitTasks(tasks: [{ task: { capability: "work" } }], idempotencyKey: "many") { items { accepted { taskId repeated } } } }',
    );
    expect(again.body.data.submitTasks.items).toEqual([{ accepted: { taskId: taskOf('many/0'), repeated: true } }]);
  });

  it.each([{ tasks: [] }, { tasks: Array(1_001).fill({ capability: 'a' }) }, { tasks: {} }, {}])(
    'in bulk refuses a list that is none, or too long',
    async (body) => {
      const answer = await post(`${TASKS}/bulk`, body);
      expect(answer).toMatchObject({ status: 400, body: { code: 'BAD_USER_INPUT', issues: [{ pointer: '/tasks' }] } });
    },
  );
});

describe('with Prefer: wait', () => {
  it('a task answers with its outcome', async () => {
    const answer = post(TASKS, { capability: 'work' }, { prefer: 'wait=30', 'idempotency-key': 'wait-1' });
    await recorded(taskOf('wait-1'));
    await cancelTask(api.commands, CALLER, taskOf('wait-1'));
    const { status, headers, body } = await answer;
    expect({ status, applied: headers.get('preference-applied') }).toEqual({ status: 200, applied: 'wait=30' });
    expect(TaskSubmitted.parse(body).outcome).toEqual({ status: 'cancelled' });
  });

  it('an execution answers with its outcome', async () => {
    const answer = post(EXECUTE, {}, { prefer: 'wait=30', 'idempotency-key': 'wait-1' });
    await recorded(executionOf('wait-1'));
    await cancelExecution(api.commands, CALLER, executionOf('wait-1'));
    const { status, body } = await answer;
    expect(status).toBe(200);
    expect(ExecutionStarted.parse(body).outcome).toEqual({ status: 'cancelled', output: null });
  });

  it.each([
    [TASKS, { capability: 'work' }],
    [EXECUTE, {}],
  ])('%s names where to ask when that takes longer', async (path, input) => {
    const { status, headers, body } = await post(path, input, { prefer: 'respond-async, wait=0' });
    expect({ status, applied: headers.get('preference-applied') }).toEqual({ status: 202, applied: 'wait=0' });
    expect(headers.get('location')).toContain(body.taskId ?? body.executionId);
    expect(body).not.toHaveProperty('outcome');
  });

  it('a status is that of the end', async () => {
    const { body } = await post(EXECUTE, {});
    const path = `${api.url}${REST_PATH}/executions/${body.executionId}`;
    const status = fetch(path, { headers: { prefer: 'wait=30' } });
    await expect.poll(() => api.waits.size, { interval: 5 }).toBe(1);
    await cancelExecution(api.commands, CALLER, body.executionId);
    expect(await (await status).json()).toMatchObject({ status: 'cancelled' });
  });

  it('cuts a longer wait, and ends it when the client leaves', async () => {
    const leaving = new AbortController();
    const answer = post(TASKS, { capability: 'work' }, { prefer: 'wait=3600' }, leaving.signal);
    await expect.poll(() => api.waits.size, { interval: 5 }).toBe(1);
    leaving.abort();
    await expect(answer).rejects.toThrow('aborted');
    await expect.poll(() => api.waits.size, { interval: 5 }).toBe(0);
  });

  it('is not applied where nothing is waited for', async () => {
    const { body } = await post(EXECUTE, {});
    const { status, headers } = await post(`/executions/${body.executionId}/pause`, {}, { prefer: 'wait=x' });
    expect({ status, applied: headers.get('preference-applied') }).toEqual({ status: 200, applied: null });
  });
});
