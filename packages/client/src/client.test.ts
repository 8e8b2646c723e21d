import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  accepted,
  BatonError,
  CancelTask,
  createClient,
  type FetchRequest,
  type FetchResponse,
  GetTask,
  resume,
  SubmitTask,
  WatchTask,
} from './index.ts';

type Served = { readonly status?: number; readonly type?: string; readonly body: string | readonly string[] };

const responseOf = ({ status = 200, type = 'application/json', body }: Served): FetchResponse => {
  const chunks = typeof body === 'string' ? [body] : body;
  return {
    status,
    headers: { get: (name) => (name === 'content-type' ? type : null) },
    body: (async function* () {
      for (const chunk of chunks) yield Buffer.from(chunk);
    })(),
    text: async () => chunks.join(''),
  };
};

/** A client of a server that gives these answers in turn, and what it was asked. */
const clientOf = (...served: Served[]) => {
  const asked: { readonly url: string; readonly request: FetchRequest }[] = [];
  const fetch = async (url: string, request: FetchRequest): Promise<FetchResponse> => {
    asked.push({ url, request });
    const next = served.shift();
    if (next === undefined) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    return responseOf(next);
  };
  return { client: createClient({ url: 'http://baton/', fetch, headers: { authorization: 'Bearer x' } }), asked };
};

const json = (value: unknown): Served => ({ body: JSON.stringify(value) });
const next = (position: string): string =>
  `event: next\ndata: ${JSON.stringify({ data: { change: { position, entry: { type: 'TaskCompleted' } } } })}\n\n`;
const COMPLETE = 'event: complete\n\n';
const stream = (...body: string[]): Served => ({ type: 'text/event-stream; charset=utf-8', body });

const failure = async (call: Promise<unknown>): Promise<BatonError> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BatonError);
  return error as BatonError;
};

describe('execute', () => {
  it('posts the document with its variables and the headers of the client, and returns typed data', async () => {
    const { client, asked } = clientOf(json({ data: { task: null } }));
    const { task } = await client.execute(GetTask, { id: 't', atLeast: undefined });
    expect(task).toBeNull();
    expectTypeOf<NonNullable<typeof task>['priority']>().toEqualTypeOf<number>();
    const [{ url, request } = { url: '', request: undefined }] = asked;
    expect(url).toBe('http://baton/graphql');
    expect(request?.headers).toMatchObject({ authorization: 'Bearer x', 'content-type': 'application/json' });
    expect(JSON.parse(request?.body ?? '')).toEqual({ query: String(GetTask), variables: { id: 't' } });
  });

  it('accepts no variables that the document does not have', () => {
    const { client } = clientOf(json({ data: {} }));
    // @ts-expect-error a task has an id
    void client.execute(GetTask, { name: 't' });
  });

  it.each([
    ['a bad value, with its place', 'BAD_USER_INPUT', false],
    ['a server that cannot answer now', 'UNAVAILABLE', true],
  ])('throws the error of the server: %s', async (_, code, retryable) => {
    const issues = [{ pointer: '/input/priority', code: 'OUT_OF_RANGE', message: 'at most 5, got 9' }];
    const { client } = clientOf({
      status: 400,
      ...json({ errors: [{ message: 'no', extensions: { code, issues } }] }),
    });
    expect(await failure(client.execute(GetTask, { id: 't' }))).toMatchObject({
      code,
      message: 'no',
      issues,
      retryable,
      url: 'http://baton',
    });
  });

  it('reports an error without a code as ERROR', async () => {
    const { client } = clientOf(json({ errors: [{ message: 'no' }] }));
    expect(await failure(client.execute(GetTask, { id: 't' }))).toMatchObject({ code: 'ERROR', issues: [] });
  });

  it('reports a server that cannot be reached, with the cause', async () => {
    const error = await failure(clientOf().client.execute(GetTask, { id: 't' }));
    expect(error).toMatchObject({ code: 'UNREACHABLE', retryable: true, cause: { code: 'ECONNREFUSED' } });
  });

  it.each([
    ['no JSON', '<html></html>'],
    ['JSON that is not an answer', '{"hello":1}'],
    ['a list', '[]'],
    ['errors that are not errors', '{"errors":["no"]}'],
  ])('reports another server: %s', async (_, body) => {
    const { client } = clientOf({ status: 404, type: 'text/html', body });
    expect(await failure(client.execute(GetTask, { id: 't' }))).toMatchObject({
      code: 'NOT_BATON',
      message: 'http://baton is not a Baton server (HTTP 404, text/html)',
    });
  });

  it('throws the reason of an aborted call', async () => {
    const controller = new AbortController();
    controller.abort(new Error('enough'));
    await expect(clientOf().client.execute(GetTask, { id: 't' }, { signal: controller.signal })).rejects.toThrow(
      'enough',
    );
  });
});

describe('accepted', () => {
  it('returns the payload of an accepted command', async () => {
    const { client } = clientOf(json({ data: { payload: { id: 't', position: '7', repeated: false } } }));
    const payload = accepted(await client.execute(SubmitTask, { input: { capability: 'report' } }));
    expect(payload).toEqual({ id: 't', position: '7', repeated: false });
    expectTypeOf(payload.position).toEqualTypeOf<string>();
  });

  it('throws the reason of a rejected one', async () => {
    const rejected = { reason: 'TaskNotCancellable', message: 'a task that is completed …' };
    const { client } = clientOf(json({ data: { payload: rejected } }));
    const answer = await client.execute(CancelTask, { taskId: 't' });
    expect(() => accepted(answer)).toThrow(expect.objectContaining({ code: 'TaskNotCancellable', retryable: false }));
  });
});

const collect = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
};

describe('subscribe', () => {
  it('yields results until the server completes the subscription', async () => {
    const { client, asked } = clientOf(stream(': keep alive\n\n', next('1'), next('2'), COMPLETE));
    const changes = await collect(client.subscribe(WatchTask, { id: 't' }));
    expect(changes.map(({ change }) => change.position)).toEqual(['1', '2']);
    expect(asked[0]?.request.headers).toMatchObject({ accept: 'text/event-stream' });
  });

  it('throws when the stream breaks off', async () => {
    const { client } = clientOf(stream(next('1')));
    const error = await failure(collect(client.subscribe(WatchTask, { id: 't' })));
    expect(error).toMatchObject({ code: 'STREAM_ENDED', retryable: true });
  });

  it('throws the error of the server, in the stream or instead of it', async () => {
    const errors = [{ message: 'too far back', extensions: { code: 'RESUME_EXPIRED' } }];
    const { client } = clientOf(stream(`event: next\ndata: ${JSON.stringify({ errors })}\n\n`), json({ errors }));
    for (let call = 0; call < 2; call += 1)
      expect(await failure(collect(client.subscribe(WatchTask, { id: 't' })))).toMatchObject({
        code: 'RESUME_EXPIRED',
      });
  });

  it('reports a server that answers with data instead of a stream', async () => {
    const { client } = clientOf(json({ data: {} }));
    expect(await failure(collect(client.subscribe(WatchTask, { id: 't' })))).toMatchObject({ code: 'NOT_BATON' });
  });
});

describe('resume', () => {
  const resumed = (client: ReturnType<typeof createClient>, options: { tries?: number; signal?: AbortSignal } = {}) =>
    resume((fromPosition) => client.subscribe(WatchTask, { id: 't', fromPosition }), {
      from: '0',
      positionOf: ({ change }) => change.position,
      delayMs: 1,
      ...options,
    });
  const positionsAsked = (asked: ReturnType<typeof clientOf>['asked']): unknown[] =>
    asked.map(({ request }) => JSON.parse(request.body).variables.fromPosition);

  it('reopens a broken or completed subscription after the last result', async () => {
    const { client, asked } = clientOf(stream(next('1'), next('2')), stream(next('3'), COMPLETE), stream(next('4')));
    const seen: string[] = [];
    for await (const { change } of resumed(client)) if (seen.push(change.position) === 4) break;
    expect(seen).toEqual(['1', '2', '3', '4']);
    expect(positionsAsked(asked)).toEqual(['0', '2', '3']);
  });

  it('gives up after the given number of failures in a row', async () => {
    const { client, asked } = clientOf(stream(next('1')));
    expect(await failure(collect(resumed(client, { tries: 3 })))).toMatchObject({ code: 'UNREACHABLE' });
    expect(asked).toHaveLength(4);
  });

  it('throws errors that a retry cannot fix at once', async () => {
    const { client, asked } = clientOf(json({ errors: [{ message: 'no', extensions: { code: 'NOT_FOUND' } }] }));
    expect(await failure(collect(resumed(client)))).toMatchObject({ code: 'NOT_FOUND' });
    expect(asked).toHaveLength(1);
  });

  it('ends when it is aborted', async () => {
    const controller = new AbortController();
    const { client } = clientOf(stream(next('1'), next('2'), next('3')));
    const seen: string[] = [];
    for await (const { change } of resumed(client, { signal: controller.signal })) {
      seen.push(change.position);
      controller.abort();
    }
    expect(seen).toEqual(['1']);
  });
});
