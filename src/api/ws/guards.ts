import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';
import { type ErrorAnswer, problemOf } from '../errors.ts';

const MAX_MESSAGE_BYTES = 64 * 1024;
export const MAX_SOCKETS = 2_000;
/** How many messages a client may send at once, and per second in the long run. */
const MESSAGE_BURST = 200;
const MESSAGES_PER_SECOND = 100;
const PING_INTERVAL_MS = 15_000;

/** RFC 6455 §7.4.1. */
export const CLOSE = {
  goingAway: 1001,
  unsupportedData: 1003,
  policyViolation: 1008,
  internalError: 1011,
  tryAgainLater: 1013,
} as const;

/** Not compressed: a small message could unpack to a large one. */
export const createSocketServer = (options: ConstructorParameters<typeof WebSocketServer>[0] = {}): WebSocketServer =>
  new WebSocketServer({ ...options, noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });

/** Refuses an upgrade with a problem document. */
export const refuse = (socket: Duplex, answer: ErrorAnswer, instance: string): void => {
  const body = JSON.stringify(problemOf(answer, instance));
  const head = [
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}`,
    'connection: close',
    'content-type: application/problem+json',
    'x-content-type-options: nosniff',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(answer.retryAfterSeconds === undefined ? [] : [`retry-after: ${answer.retryAfterSeconds}`]),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
};

/** A token bucket: returns false when it is empty. */
const messageBudget = (clock: Clock): (() => boolean) => {
  let left = MESSAGE_BURST;
  let last = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    left = Math.min(MESSAGE_BURST, left + ((now - last) / 1_000) * MESSAGES_PER_SECOND);
    last = now;
    left -= 1;
    return left >= 0;
  };
};

/** Detects a peer that has gone without closing, and ends its socket. */
const keepAlive = async (socket: WebSocket, clock: Clock, gone: AbortSignal): Promise<void> => {
  let alive = true;
  socket.on('pong', () => {
    alive = true;
  });
  while (!gone.aborted) {
    await sleep(clock, PING_INTERVAL_MS, gone);
    if (gone.aborted) return;
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  }
};

export type Guarded = {
  /** Aborted once the socket is closed. */
  readonly gone: AbortSignal;
  /** Counts a message; closes the socket and returns false when there were too many. */
  readonly mayContinue: () => boolean;
};

/** Checks of every socket: its peer is alive, and does not send more messages than a client needs to. */
export const guarded = (
  socket: WebSocket,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Guarded => {
  const gone = new AbortController();
  const hasBudget = messageBudget(clock);
  const mayContinue = (): boolean => {
    if (hasBudget()) return true;
    socket.close(CLOSE.policyViolation, 'too many messages');
    return false;
  };
  socket.on('ping', mayContinue);
  socket.on('error', (error) => logger.debug({ err: error }, 'a WebSocket failed'));
  socket.once('close', () => gone.abort());
  void keepAlive(socket, clock, gone.signal);
  return { gone: gone.signal, mayContinue };
};

/** Resolves when the bytes are sent: a reader that does not read slows the sender down. */
export const sent = (socket: WebSocket, data: string): Promise<void> =>
  new Promise((resolve) => {
    if (socket.readyState === socket.OPEN) socket.send(data, () => resolve());
    else resolve();
  });

/** Closes every client's socket, then the server. */
export const closeAll = (server: WebSocketServer): void => {
  for (const socket of server.clients) socket.close(CLOSE.goingAway, 'going away');
  server.close();
};
