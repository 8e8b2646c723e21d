import type { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import type { Queue } from 'bullmq';
import { type Express, type NextFunction, type RequestHandler, type Response, Router } from 'express';
import { EdgeError } from '../errors.ts';

export const BOARD_PATH = '/queues';

export type BoardOptions = {
  /** The queues that exist now; pools come and go. */
  readonly queues: () => readonly Queue[];
  /** Without it the board is read-only. */
  readonly writable: boolean;
};

const onlyReading: RequestHandler = (request, _response, next) => {
  if (request.method === 'GET' || request.method === 'HEAD') return next();
  throw new EdgeError('FORBIDDEN', 'the board is read-only; set BATON_QUEUES_WRITABLE=true to change jobs here');
};

/** The page of the library links fonts of another server. */
const FOREIGN_LINK = /<link [^>]*href="https?:\/\/[^>]*>/g;

const withoutForeignLinks = (response: Response, next: NextFunction): Response => {
  const render = response.render.bind(response);
  response.render = (view: string, values: unknown) =>
    render(view, values as object, (error, page) =>
      error ? next(error) : response.send(page.replaceAll(FOREIGN_LINK, '')),
    );
  return response;
};

const createBoard = async ({ queues, writable }: BoardOptions): Promise<RequestHandler> => {
  const [{ createBullBoard }, { BullMQAdapter }, { ExpressAdapter }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/api/bullMQAdapter'),
    import('@bull-board/express'),
  ]);
  const serverAdapter = new ExpressAdapter().setBasePath(BOARD_PATH);
  const adapters = new Map<Queue, BullMQAdapter>();
  const board = createBullBoard({
    queues: [],
    serverAdapter,
    options: { uiConfig: { boardTitle: 'Baton', hideRedisDetails: true } },
  });
  const app = serverAdapter.getRouter() as Express;
  app.disable('x-powered-by');
  return (request, response, next) => {
    const present = new Set(queues());
    const changed = present.size !== adapters.size || [...present].some((queue) => !adapters.has(queue));
    if (changed) {
      const shown = [...present].map(
        (queue) => [queue, adapters.get(queue) ?? new BullMQAdapter(queue, { readOnlyMode: !writable })] as const,
      );
      adapters.clear();
      for (const [queue, adapter] of shown) adapters.set(queue, adapter);
      board.replaceQueues([...adapters.values()]);
    }
    app(request, withoutForeignLinks(response, next), next);
  };
};

/** The board of the job queues. Its library is loaded by the first request: most servers are never asked. */
export const queueBoard = (options: BoardOptions): Router => {
  const router = Router();
  if (!options.writable) router.use(onlyReading);
  let board: Promise<RequestHandler> | undefined;
  router.use(async (request, response, next) => {
    board ??= createBoard(options);
    (await board)(request, response, next);
  });
  return router;
};
