import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EmbeddedProcess } from './embedded-process.ts';
import { type FreezableProxy, freezableProxy } from './freezable-proxy.ts';

export const STORES = ['event store', 'Postgres', 'Redis'] as const;
export type StoreName = (typeof STORES)[number];

/** `killed`: SIGKILL, and its supervisor starts it again. `frozen`: nothing passes. `cut off`: connections break and are refused. */
export const STORE_FAULTS = ['killed', 'frozen', 'cut off'] as const;
export type StoreFault = (typeof STORE_FAULTS)[number];

const LISTENING = '0A';

/** The process that listens on a loopback port, from the kernel's tables (Linux). */
const pidListeningOn = async (port: number): Promise<number> => {
  const table = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set(
    table
      .filter(([, local, , state]) => local?.endsWith(`:${hex}`) && state === LISTENING)
      .map((row) => `socket:[${row[9]}]`),
  );
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    const links = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
    if (links.some((link) => inodes.has(link))) return Number(pid);
  }
  throw new Error(`nothing listens on port ${port}`);
};

/** The stores of a fleet, behind proxies, so that they can be killed, frozen and cut off. */
export class DisturbedStores {
  readonly #ways: Readonly<Record<StoreName, FreezableProxy>>;
  readonly #ports: Readonly<Record<StoreName, number>>;

  private constructor(ways: Readonly<Record<StoreName, FreezableProxy>>, ports: Readonly<Record<StoreName, number>>) {
    this.#ways = ways;
    this.#ports = ports;
  }

  static async before({ eventStoreUrl, databaseUrl, redisUrl }: EmbeddedProcess): Promise<DisturbedStores> {
    const portOf = (url: string): number => Number(new URL(url).port);
    const [eventStore, postgres, redis] = await Promise.all([eventStoreUrl, databaseUrl, redisUrl].map(freezableProxy));
    return new DisturbedStores(
      {
        'event store': eventStore as FreezableProxy,
        Postgres: postgres as FreezableProxy,
        Redis: redis as FreezableProxy,
      },
      { 'event store': portOf(eventStoreUrl), Postgres: portOf(databaseUrl), Redis: portOf(redisUrl) },
    );
  }

  /** What members of the fleet are configured with. */
  get environment(): Readonly<Record<string, string>> {
    return {
      EVENTSTORE_URL: this.#ways['event store'].url,
      DATABASE_URL: this.#ways.Postgres.url,
      REDIS_URL: this.#ways.Redis.url,
    };
  }

  /** Disturbs a store; freezing and cutting off last for `ms`. */
  async disturb(store: StoreName, fault: StoreFault, ms: number): Promise<void> {
    const way = this.#ways[store];
    if (fault === 'killed') return void process.kill(await pidListeningOn(this.#ports[store]), 'SIGKILL');
    if (fault === 'frozen') way.freeze();
    else way.cut();
    await sleep(ms);
    if (fault === 'frozen') way.thaw();
    else way.mend();
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#ways).map((way) => way.close()));
  }
}
