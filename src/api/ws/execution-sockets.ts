import type { WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import { badInput } from '../../commands/context.ts';
import { ExecutionId, executionStream } from '../../domain/ids.ts';
import type { EventStore, Position } from '../../eventstore/event-store.ts';
import type { Clock } from '../../platform/clock.ts';
import { notFound } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import type { CallerOf } from '../edge/caller.ts';
import { PositionText, parseQuery } from '../edge/query-string.ts';
import { answerOf } from '../errors.ts';
import type { ExecutionChange } from '../live/execution-changes.ts';
import type { Hub } from '../live/hub.ts';
import { CLOSE, closeAll, createSocketServer, guarded, sent } from './guards.ts';
import type { SocketEndpoint, Upgrade } from './upgrades.ts';

const PATH = /^\/ws\/workflows\/([^/]+)$/;
/** Changes that may wait for a slow reader. */
const BACKLOG = 1_000;
const BATCH_CHANGES = 200;

export const ExecutionSocketQuery = z.strictObject({
  /** Position of the last change that the client has received; absent: none. */
  from: PositionText.optional(),
});

export type ExecutionSocketOptions = {
  readonly callerOf: CallerOf;
  readonly hub: Hub;
  readonly store: Pick<EventStore, 'readStream'>;
  readonly clock: Clock;
  readonly logger: Logger;
};

type Following = { readonly executionId: string; readonly stream: string; readonly from: Position };

/** The first frame. A client can resume after the `position` of any frame. */
const helloOf = ({ executionId, from }: Following): string =>
  JSON.stringify({ type: 'hello', executionId, position: String(from) });

const frameOf = ({ position, revision, type, at, data, summary }: ExecutionChange): string =>
  JSON.stringify({ position: String(position), revision: Number(revision), type, at, data, summary });

/**
 * The events of one execution as JSON frames, from a position on and then live. A socket stays open when the execution ends: a failed
 * execution may go on, and the client knows best when it has seen enough.
 */
export class ExecutionSockets implements SocketEndpoint {
  readonly #options: ExecutionSocketOptions;
  readonly #sockets: WebSocketServer = createSocketServer();

  constructor(options: ExecutionSocketOptions) {
    this.#options = options;
  }

  serves(path: string): boolean {
    return PATH.test(path);
  }

  get size(): number {
    return this.#sockets.clients.size;
  }

  async open({ request, socket, head, url }: Upgrade): Promise<void> {
    const { tenant } = this.#options.callerOf({ header: (name) => request.headers[name] as string | undefined });
    const following = await this.#following(tenant, url);
    this.#sockets.handleUpgrade(request, socket, head, (ws) => void this.#send(ws, following));
  }

  close(): void {
    closeAll(this.#sockets);
  }

  async #following(tenant: string, url: URL): Promise<Following> {
    const { store } = this.#options;
    const executionId = PATH.exec(url.pathname)?.[1] ?? '';
    const { from: position = '0' } = parseQuery(ExecutionSocketQuery, url.searchParams);
    if (!ExecutionId.safeParse(executionId).success) throw notFound('execution', JSON.stringify(executionId));
    const stream = executionStream(tenant, executionId);
    const [last] = await store.readStream(stream, { direction: 'backwards', limit: 1 });
    if (last === undefined) throw notFound('execution', executionId);
    const from = BigInt(position);
    // From a position that the log has not reached, everything up to it would silently be left out.
    if (from > last.position && !(await this.#options.hub.hasReached(from)))
      throw badInput([
        { pointer: '/from', code: 'BAD_POSITION', message: `the log has not reached position ${position}` },
      ]);
    return { executionId, stream, from };
  }

  async #send(socket: WebSocket, following: Following): Promise<void> {
    const { hub, logger } = this.#options;
    const { gone } = guarded(socket, this.#options);
    let last = following.from;
    const sendAway = (code: number, reason: string): void =>
      socket.close(code, `${reason}: resume with ?from=${String(last)}`);
    socket.on('message', () => socket.close(CLOSE.unsupportedData, 'this socket takes no messages'));
    try {
      await sent(socket, helloOf(following));
      const changes = hub.followStream(hub.executions, following.stream, {
        after: following.from,
        limit: BACKLOG,
        most: BATCH_CHANGES,
        signal: gone,
        onCutOff: ({ code }) => sendAway(CLOSE.tryAgainLater, code),
      });
      for await (const batch of changes)
        for (const change of batch) {
          // Frames sent to a closing socket do not arrive.
          if (socket.readyState !== socket.OPEN) return;
          last = change.position;
          await sent(socket, frameOf(change));
        }
    } catch (error) {
      const { code, status } = answerOf(error, logger);
      sendAway(status === 500 ? CLOSE.internalError : CLOSE.tryAgainLater, code);
    }
  }
}
