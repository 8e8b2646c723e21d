import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import type { Queue } from 'bullmq';
import { type Express, type RequestHandler, Router } from 'express';
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

/** The board of the job queues. */
export const queueBoard = ({ queues, writable }: BoardOptions): Router => {
  const serverAdapter = new ExpressAdapter().setBasePath(BOARD_PATH);
  const adapters = new Map<Queue, BullMQAdapter>();
  const board = createBullBoard({
    queues: [],
    serverAdapter,
    options: { uiConfig: { boardTitle: 'Baton', hideRedisDetails: true } },
  });
  const refresh: RequestHandler = (_request, _response, next) => {
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
    next();
  };
  const router = Router();
  if (!writable) router.use(onlyReading);
  const app = serverAdapter.getRouter() as Express;
  app.disable('x-powered-by');
  router.use(refresh, app);
  return router;
};
