import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { notFound, unavailable } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { isForeign } from '../edge/host-guard.ts';
import { answerOf, EdgeError } from '../errors.ts';
import { MAX_SOCKETS, refuse } from './guards.ts';

/** A request to upgrade to a WebSocket. */
export type Upgrade = {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly url: URL;
};

/** Sockets of one kind. */
export type SocketEndpoint = {
  /** Whether this endpoint handles the path. */
  serves(path: string): boolean;
  readonly size: number;
  /**
   * Takes the upgrade.
   *
   * Errors: an error thrown before the socket is open becomes the answer to the request.
   */
  open(upgrade: Upgrade): Promise<void> | void;
  /** Ends its sockets. */
  close(): void;
};

export type UpgradeOptions = {
  readonly endpoints: readonly SocketEndpoint[];
  readonly isOwnHost: (request: IncomingMessage) => boolean;
  /** From a page of a site that the settings allow. */
  readonly isAllowedOrigin: (request: IncomingMessage) => boolean;
  readonly logger: Logger;
};

const BASE = 'http://upgrade';

/** Hands WebSocket upgrades to their endpoint, after the checks that all of them must pass. */
export class Upgrades {
  readonly #options: UpgradeOptions;
  #closed = false;
  /** Neither open nor refused yet. */
  #opening = 0;

  constructor(options: UpgradeOptions) {
    this.#options = options;
  }

  attach(server: Server): void {
    server.on('upgrade', (request, socket, head) => void this.#take(request, socket, head));
  }

  close(): void {
    this.#closed = true;
    for (const endpoint of this.#options.endpoints) endpoint.close();
  }

  async #take(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const path = request.url?.split('?', 1)[0] ?? '/';
    // Until ws takes over there is no other listener: a connection that breaks meanwhile must not be an uncaught error.
    const ignore = (): void => {
      socket.destroy();
    };
    socket.on('error', ignore);
    this.#opening += 1;
    try {
      const endpoint = this.#endpointOf(request, path);
      await endpoint.open({ request, socket, head, url: new URL(request.url ?? '/', BASE) });
      socket.off('error', ignore);
    } catch (error) {
      refuse(socket, answerOf(error, this.#options.logger), path);
    } finally {
      this.#opening -= 1;
    }
  }

  #endpointOf(request: IncomingMessage, path: string): SocketEndpoint {
    const { endpoints, isOwnHost, isAllowedOrigin } = this.#options;
    const endpoint = endpoints.find((one) => one.serves(path));
    if (endpoint === undefined || !URL.canParse(request.url ?? '/', BASE)) throw notFound('path', path);
    if ((isForeign(request) && !isAllowedOrigin(request)) || !isOwnHost(request))
      throw new EdgeError('FORBIDDEN', 'only our own pages and programs may open sockets');
    const sockets = endpoints.reduce((sum, { size }) => sum + size, this.#opening);
    if (this.#closed || sockets > MAX_SOCKETS) throw unavailable('this server opens no more sockets at the moment');
    return endpoint;
  }
}
