import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';

/** What the disturbances met: without it they proved nothing. */
export type DisturbanceCounts = {
  /** Chunks that a freeze held back. */
  held: number;
  /** Connections that a cut broke. */
  broken: number;
  /** Connections that were refused after it. */
  refused: number;
};

/** A way to a server that can be disturbed. */
export type FreezableProxy = {
  /** The server's URL, by this way. */
  readonly url: string;
  readonly counts: Readonly<DisturbanceCounts>;
  /** Open now. */
  readonly connections: number;
  /** Connections stay open, and nothing passes any more. */
  freeze(): void;
  thaw(): void;
  /** Connections break, and new ones are refused. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
};

export const freezableProxy = async (serverUrl: string): Promise<FreezableProxy> => {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  const counts: DisturbanceCounts = { held: 0, broken: 0, refused: 0 };
  const held: (() => void)[] = [];
  let frozen = false;
  let isCut = false;
  const pass = (proceed: () => void): void => {
    if (frozen) held.push(proceed);
    else proceed();
  };
  const gate = (): Transform =>
    new Transform({
      transform(chunk, _encoding, done) {
        if (frozen) counts.held += 1;
        pass(() => done(null, chunk));
      },
      flush: pass,
    });
  const add = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    if (isCut) {
      counts.refused += 1;
      client.destroy();
      return;
    }
    const upstream = connect(Number(target.port), target.hostname);
    client.pipe(gate()).pipe(upstream).pipe(gate()).pipe(client);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    add(client);
    add(upstream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(serverUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    counts,
    get connections() {
      return sockets.size / 2;
    },
    freeze() {
      frozen = true;
    },
    thaw() {
      frozen = false;
      for (const proceed of held.splice(0)) proceed();
    },
    cut() {
      isCut = true;
      counts.broken += sockets.size / 2; // one to the client, one to the server
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      isCut = false;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};
