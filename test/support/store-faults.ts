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

/** For a supervisor to start a store again. */
const RESTART_MS = 120_000;

/** One disturbance of a store, as it was. */
export type Disturbance = {
  readonly store: StoreName;
  readonly fault: StoreFault;
  /** When the store was whole again, or was killed. Milliseconds since the epoch. */
  readonly endedAt: number;
  /** What it met: chunks that were held, connections that were broken or refused, a process that another one replaced. */
  readonly met: number;
};

/** The process that listens on a loopback port, from the kernel's tables (Linux). Undefined when there is none. */
const pidListeningOn = async (port: number): Promise<number | undefined> => {
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
  return undefined;
};

/** Kills the process that listens on a port. Resolves when another one does. */
const killListener = async (port: number): Promise<void> => {
  const endAt = Date.now() + RESTART_MS;
  const killed = await pidListeningOn(port);
  if (killed === undefined) throw new Error(`nothing listens on port ${port}`);
  process.kill(killed, 'SIGKILL');
  for (;;) {
    const pid = await pidListeningOn(port);
    if (pid !== undefined && pid !== killed) return;
    if (Date.now() > endAt) throw new Error(`nobody listens on port ${port} again after ${RESTART_MS} ms`);
    await sleep(100);
  }
};

const metBy = ({ counts }: FreezableProxy, fault: 'frozen' | 'cut off'): number =>
  fault === 'frozen' ? counts.held : counts.broken + counts.refused;

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
  async disturb(store: StoreName, fault: StoreFault, ms: number): Promise<Disturbance> {
    const way = this.#ways[store];
    if (fault === 'killed') {
      const endedAt = Date.now();
      await killListener(this.#ports[store]);
      return { store, fault, endedAt, met: 1 };
    }
    const metBefore = metBy(way, fault);
    if (fault === 'frozen') way.freeze();
    else way.cut();
    await sleep(ms);
    if (fault === 'frozen') way.thaw();
    else way.mend();
    return { store, fault, endedAt: Date.now(), met: metBy(way, fault) - metBefore };
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#ways).map((way) => way.close()));
  }
}

const longest = (times: readonly number[]): number => Math.max(0, ...times);

/**
 * For each kind of disturbance, how often it was and what it met, and the longest time from the end of one to the next acknowledgement
 * and the next completion. `times` are milliseconds since the epoch, in order.
 */
export const recoveries = (
  disturbances: readonly Disturbance[],
  times: { readonly acknowledgedAt: readonly number[]; readonly completedAt: readonly number[] },
): Readonly<Record<string, object>> => {
  const next = (list: readonly number[], after: number): number =>
    (list.find((at) => at >= after) ?? Number.NaN) - after;
  const kinds = [...new Set(disturbances.map(({ store, fault }) => `${store} ${fault}`))].sort();
  return Object.fromEntries(
    kinds.map((kind) => {
      const list = disturbances.filter(({ store, fault }) => `${store} ${fault}` === kind);
      const met = list.reduce((sum, disturbance) => sum + disturbance.met, 0);
      const acknowledgedAfterMs = longest(list.map(({ endedAt }) => next(times.acknowledgedAt, endedAt)));
      const completedAfterMs = longest(list.map(({ endedAt }) => next(times.completedAt, endedAt)));
      return [kind, { times: list.length, met, acknowledgedAfterMs, completedAfterMs }];
    }),
  );
};
