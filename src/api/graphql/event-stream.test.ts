import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SUBMIT, startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { fakeClock } from '../../../test/support/fake-ports.ts';

let api: TestApi;
beforeEach(async () => {
  api = await startApi();
});
afterEach(() => api.stop());

const submit = async (): Promise<{ taskId: string; position: string }> =>
  (await api.post(SUBMIT, { input: { capability: 'echo' } })).body.data.submitTask;
const cancel = (taskId: string) =>
  api.post('mutation ($id: ID!) { cancelTask(taskId: $id) { __typename } }', { id: taskId });

/** Without positions, which a client that resumes by id need not ask for. */
const TASKS = '{ tasksChanged { changes { taskId entry { type } } } }';

type ServerSentEvent = { readonly id?: string; readonly data: string };

/** Reads as the `EventSource` of a browser does: the id holds from the event that has it, also when that has no data. */
class EventStream {
  readonly #body: ReadableStreamDefaultReader<Uint8Array>;
  #text = '';
  lastEventId = '';

  constructor(response: Response) {
    this.#body = response.body!.getReader();
  }

  /** The next event, with data or without. */
  async next(): Promise<ServerSentEvent> {
    for (let end = this.#text.indexOf('\n\n'); ; end = this.#text.indexOf('\n\n')) {
      if (end >= 0) {
        const lines = this.#text.slice(0, end).split('\n');
        this.#text = this.#text.slice(end + 2);
        const field = (name: string): string | undefined =>
          lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
        const id = field('id');
        this.lastEventId = id ?? this.lastEventId;
        return { ...(id === undefined ? {} : { id }), data: field('data') ?? '' };
      }
      const { value, done } = await this.#body.read();
      if (done) throw new Error('the stream has ended');
      this.#text += Buffer.from(value).toString('utf8');
    }
  }

  async close(): Promise<void> {
    await this.#body.cancel();
  }
}

/** By GET, as an `EventSource` asks. */
const open = async (query: string, lastEventId?: string, server = api.url): Promise<EventStream> => {
  const headers = {
    accept: 'text/event-stream',
    ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
  };
  const url = `${server}/graphql?query=${encodeURIComponent(`subscription ${query}`)}`;
  return new EventStream(await fetch(url, { headers }));
};

const nextChanges = async (stream: EventStream): Promise<string[]> => {
  const { data } = await stream.next();
  if (data === '') return nextChanges(stream);
  const { changes } = JSON.parse(data).data.tasksChanged as { changes: { taskId: string; entry: { type: string } }[] };
  return changes.map(({ taskId, entry }) => `${taskId} ${entry.type}`);
};

describe('an event stream', () => {
  it('gives each event the position to resume after as its id', async () => {
    const stream = await open(TASKS);
    await stream.next();
    const { position } = await submit();
    expect(await stream.next()).toMatchObject({ id: position });
    await stream.close();
  });

  it('resumes with Last-Event-ID, without gap or repetition, and not where its request says', async () => {
    const fromStart = '{ tasksChanged(fromPosition: "0") { changes { taskId entry { type } } } }';
    const tasks = [await submit(), await submit(), await submit()];
    const expected = tasks.flatMap(({ taskId }) => [`${taskId} TaskSubmitted`]);
    const seen: string[] = [];
    let lastEventId: string | undefined;
    const readUntil = async (count: number): Promise<void> => {
      const stream = await open(fromStart, lastEventId);
      while (seen.length < count) seen.push(...(await nextChanges(stream)));
      lastEventId = stream.lastEventId;
      await stream.close();
    };
    await readUntil(3);
    for (const { taskId } of tasks) {
      await cancel(taskId);
      expected.push(`${taskId} TaskCancelled`);
      await readUntil(expected.length);
    }
    expect(seen).toEqual(expected);
  });

  it('resumes where it started when it broke before its first event', async () => {
    await submit();
    const first = await open(TASKS);
    await first.next();
    await first.close();
    const { taskId } = await submit();
    const second = await open(TASKS, first.lastEventId);
    expect(await nextChanges(second)).toEqual([`${taskId} TaskSubmitted`]);
    await second.close();
  });

  it.each([
    ['is none', 'abc', 'must be the id of an event of this subscription'],
    ['lies beyond the log', '999999999', 'the log has not reached position 999999999'],
  ])('is refused for an id that %s', async (_, lastEventId, message) => {
    const stream = await open(TASKS, lastEventId);
    let event = await stream.next();
    while (event.data === '') event = await stream.next();
    expect(JSON.parse(event.data).errors).toMatchObject([
      { extensions: { code: 'BAD_USER_INPUT', issues: [{ pointer: '/headers/last-event-id', message }] } },
    ]);
    await stream.close();
  });

  it('is refused from a position beyond the log', async () => {
    const stream = await open('{ tasksChanged(fromPosition: "999999999") { position } }');
    let event = await stream.next();
    while (event.data === '') event = await stream.next();
    expect(JSON.parse(event.data).errors[0].extensions.issues).toMatchObject([{ pointer: '/fromPosition' }]);
    await stream.close();
  });

  it('sends changes that come one by one without waiting for a timer', async () => {
    const clock = fakeClock();
    const still = await startApi({ clock });
    const stream = await open(TASKS, undefined, still.url);
    await stream.next();
    for (let count = 0; count < 5; count += 1) {
      const { taskId } = (await still.post(SUBMIT, { input: { capability: 'echo' } })).body.data.submitTask;
      expect(await nextChanges(stream)).toEqual([`${taskId} TaskSubmitted`]);
    }
    await stream.close();
    await still.stop();
  });
});
