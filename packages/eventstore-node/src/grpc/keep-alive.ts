import type { ServerHttp2Session } from 'node:http2';

/** How to detect a peer that vanished without closing its connection. */
export type KeepAlive = {
  /** Silence after which it is pinged. */
  readonly intervalMs: number;
  /** Further silence until the peer counts as gone. */
  readonly timeoutMs: number;
};

export const DEFAULT_KEEP_ALIVE: KeepAlive = { intervalMs: 10_000, timeoutMs: 10_000 };

/** Drops the session when its peer is silent and does not answer a ping either. Anything it sends is a sign of life. */
export const keepAlive = (session: ServerHttp2Session, { intervalMs, timeoutMs }: KeepAlive): void => {
  const { socket } = session;
  let heard = 0;
  let pinged = false;
  let timer: NodeJS.Timeout;
  const look = (isLate: boolean) => {
    if (session.destroyed) return;
    const isSilent = socket.bytesRead === heard;
    if (isSilent && pinged && !isLate) {
      session.destroy();
      return;
    }
    heard = socket.bytesRead;
    if (isSilent && !pinged) session.ping(() => {}); // the answer counts as bytes read
    pinged = isSilent;
    wait(isSilent ? timeoutMs : intervalMs);
  };
  // After a long task of this process, or a pause of the machine, timers are due before sockets were read, and the peer
  // may have had no time either: what has come is read first, and silence proves nothing.
  const wait = (ms: number) => {
    const due = performance.now() + ms;
    timer = setTimeout(() => {
      const isLate = performance.now() - due > ms;
      setImmediate(() => look(isLate));
    }, ms).unref();
  };
  wait(intervalMs);
  session.on('close', () => clearTimeout(timer));
};
