import { afterEach, describe, expect, it } from 'vitest';
import { AgentError, type AgentServer, type Handler, type Received, serveAgent } from './index.ts';

let agent: AgentServer | undefined;
afterEach(async () => {
  await agent?.close();
  agent = undefined;
});

type Answer = {
  readonly result?: { readonly message?: Wire; readonly task?: WireTask };
  readonly error?: { readonly message: string };
};
type Wire = {
  readonly parts?: readonly { readonly data?: unknown; readonly text?: string }[];
  readonly metadata?: object;
};
type WireTask = {
  readonly id: string;
  readonly status: { readonly state: string; readonly message?: Wire };
  readonly artifacts?: readonly Wire[];
};

const serve = async (work: Handler, graceMs = 5_000): Promise<AgentServer> => {
  agent = await serveAgent({ card: { name: 'clerk' }, handlers: { work }, graceMs, handleSignals: false });
  return agent;
};

const ask = async (method: string, params: object): Promise<Answer> => {
  const response = await fetch(`${agent?.url}/a2a/json-rpc`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  return (response.ok ? await response.json() : { error: { message: String(response.status) } }) as Answer;
};

const call = (input: unknown, metadata: object = {}): Promise<Answer> =>
  ask('SendMessage', {
    message: {
      messageId: crypto.randomUUID(),
      role: 'ROLE_USER',
      parts: [typeof input === 'string' ? { text: input } : { data: input }],
      metadata: { capability: 'work', effectKey: crypto.randomUUID(), attempt: 1, ...metadata },
    },
    configuration: { returnImmediately: true },
  });

const task = async (id: string): Promise<WireTask> => (await ask('GetTask', { id })).result as unknown as WireTask;

const untilEnded = async (id: string): Promise<WireTask> => {
  for (;;) {
    const found = await task(id);
    if (!/WORKING|SUBMITTED/.test(found.status.state)) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const promised = () => {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve: () => resolve() };
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve()));

describe('an agent made of functions', () => {
  it('shows its skills on its card', async () => {
    const { cardUrl } = await serve(() => 1);
    const card = (await (await fetch(cardUrl)).json()) as { name: string; skills: { id: string }[] };
    expect(card).toMatchObject({ name: 'clerk', skills: [{ id: 'work' }], capabilities: { streaming: true } });
  });

  it('answers a short call at once, data with data and text with text', async () => {
    await serve((input) => input);
    expect((await call({ n: 1 })).result?.message?.parts).toMatchObject([{ data: { n: 1 } }]);
    expect((await call('hello')).result?.message?.parts).toMatchObject([{ text: 'hello' }]);
  });

  it('takes inputs as large as Baton sends', async () => {
    await serve((input: string) => input.length);
    expect((await call('x'.repeat(256 * 1024))).result?.message?.parts).toMatchObject([{ data: 256 * 1024 }]);
  });

  it('reports progress and checkpoints as a task, and its result', async () => {
    const finish = promised();
    await serve(async (_input, { progress, checkpoint, attempt }) => {
      progress({ message: 'half of it', percent: 50, checkpoint: { page: 2 } });
      await finish.promise;
      return { checkpoint, attempt };
    });
    const { id, status } = (await call({}, { attempt: 2, checkpoint: { page: 1 } })).result?.task ?? ({} as WireTask);
    expect(status).toMatchObject({
      state: 'TASK_STATE_WORKING',
      message: { parts: [{ text: 'half of it' }], metadata: { percent: 50, checkpoint: { page: 2 } } },
    });
    finish.resolve();
    expect(await untilEnded(id)).toMatchObject({
      status: { state: 'TASK_STATE_COMPLETED' },
      artifacts: [{ parts: [{ data: { checkpoint: { page: 1 }, attempt: 2 } }] }],
    });
  });

  it('is told when a call is cancelled, and says so', async () => {
    let told = false;
    await serve(async (_input, { signal }) => {
      await aborted(signal);
      told = true;
    });
    const id = (await call({})).result?.task?.id ?? '';
    expect((await ask('CancelTask', { id })).result).toMatchObject({ status: { state: 'TASK_STATE_CANCELED' } });
    expect(told).toBe(true);
    expect((await task(id)).status.state).toBe('TASK_STATE_CANCELED');
  });

  it('does the work of an effect key once, whatever the attempt, and tells its record', async () => {
    let done = 0;
    const received: Received[] = [];
    agent = await serveAgent({
      card: { name: 'clerk' },
      handlers: { work: { description: 'Counts', tags: ['test'], run: () => ++done } },
      onCall: (call) => received.push(call),
      handleSignals: false,
    });
    for (const attempt of [1, 2, 2])
      expect((await call({}, { effectKey: 'a', attempt })).result?.message?.parts).toMatchObject([{ data: 1 }]);
    expect(received.map(({ attempt, repeated }) => [attempt, repeated])).toEqual([
      [1, false],
      [2, true],
      [2, true],
    ]);
  });

  it.each([
    ['with its code', new AgentError('NO_STOCK', 'sold out'), 'sold out', { code: 'NO_STOCK', retryable: false }],
    ['that may pass', new AgentError('BUSY', 'later', { retryable: true }), 'later', { code: 'BUSY', retryable: true }],
    ['of any other kind', new TypeError('x is undefined'), 'x is undefined', {}],
  ])('reports a failure %s', async (_case, error, text, metadata) => {
    await serve(() => {
      throw error;
    });
    const { status } = (await call({})).result?.task ?? ({} as WireTask);
    expect(status).toMatchObject({ state: 'TASK_STATE_FAILED', message: { parts: [{ text }] } });
    expect(status.message?.metadata ?? {}).toEqual(metadata);
  });

  it('refuses a skill that it does not have', async () => {
    await serve(() => 1);
    expect((await call({}, { capability: 'toString' })).result?.task?.status).toMatchObject({
      state: 'TASK_STATE_FAILED',
      message: { metadata: { code: 'UNKNOWN_SKILL', retryable: false } },
    });
  });

  it('finishes what it has when it stops, and takes no more', async () => {
    const [started, finish] = [promised(), promised()];
    const { close } = await serve(async () => {
      started.resolve();
      await finish.promise;
      return 'finished';
    });
    const running = call({});
    await started.promise;
    const stopped = close();
    finish.resolve();
    expect((await running).result?.message?.parts).toMatchObject([{ text: 'finished' }]);
    await stopped;
    await expect(call({})).rejects.toThrow();
  });

  it('cancels what does not finish in its time', async () => {
    let told = false;
    const { close } = await serve(async (_input, { signal }) => {
      await aborted(signal);
      told = true;
      throw new Error('stopped');
    }, 50);
    await call({});
    await close();
    expect(told).toBe(true);
  });
});
