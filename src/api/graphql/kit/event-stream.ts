import type { ExecutionResult } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { ApiContext } from './context.ts';
import { formatted } from './formatted.ts';
import type { Progress } from './progress.ts';

const EVENT_STREAM = 'text/event-stream';
/** A comment is sent so often, so that proxies keep the connection open. */
const COMMENT_EVERY_MS = 12_000;
const COMMENT = ':\n\n';

const textOf = (result: ExecutionResult): string =>
  JSON.stringify(result.errors ? formatted(result.errors, result) : result);

type Results = AsyncIterator<ExecutionResult, unknown>;

/**
 * The results of a subscription as server-sent events. The `id` of each is the position to resume after. The first id comes before the
 * first result, so that a client that has seen none resumes where it started.
 */
async function* eventsOf(results: Results, progress: Progress): AsyncGenerator<string, void, undefined> {
  let told: bigint | undefined;
  const idLine = (): string => {
    if (progress.reached === told) return '';
    told = progress.reached;
    return `id: ${told}\n`;
  };
  yield `${idLine()}${COMMENT}`; // some browsers wait for the first bytes
  for (let next = await results.next(); next.done !== true; next = await results.next())
    yield `${idLine()}event: next\ndata: ${textOf(next.value)}\n\n`;
  yield 'event: complete\ndata:\n\n';
}

/** A body that asks for an event when its reader has taken the one before, so that a slow reader slows down its subscription. */
const bodyOf = (results: Results, progress: Progress): UnderlyingDefaultSource<Uint8Array> => {
  const encoder = new TextEncoder();
  const events = eventsOf(results, progress);
  let comments: NodeJS.Timeout | undefined;
  return {
    start(controller) {
      comments = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(COMMENT));
      }, COMMENT_EVERY_MS);
    },
    async pull(controller) {
      const { value, done } = await events.next();
      if (done !== true) return controller.enqueue(encoder.encode(value));
      clearInterval(comments);
      controller.close();
    },
    async cancel() {
      clearInterval(comments);
      await results.return?.();
    },
  };
};

/** GraphQL over server-sent events, resumable: yoga's own events have no ids. */
export const useEventStream = (): Plugin => {
  const progresses = new WeakMap<Request, Progress>();
  return {
    onSubscribe({ args }) {
      const { request, progress } = args.contextValue as ApiContext;
      progresses.set(request, progress);
    },
    onResultProcess({ request, result, resultProcessor, setResultProcessor }) {
      const progress = progresses.get(request);
      // Without a processor the client does not take event streams, the only way in which subscriptions are answered.
      if (progress === undefined || resultProcessor === undefined || !isAsyncIterable(result)) return;
      const results = result[Symbol.asyncIterator]() as Results;
      const headers = { 'content-type': EVENT_STREAM, 'cache-control': 'no-cache' };
      setResultProcessor(
        (_, { ReadableStream, Response }) => new Response(new ReadableStream(bodyOf(results, progress)), { headers }),
        EVENT_STREAM,
      );
    },
  };
};
