/** A process that may lead pools. */
export type PoolServer = {
  readonly id: string;
  /** The pools that it may lead; undefined: any. */
  readonly only: readonly string[] | undefined;
};

const serves = ({ only }: PoolServer, pool: string): boolean => only === undefined || only.includes(pool);

type Load = { readonly server: PoolServer; led: number };

/**
 * Which process should lead each pool, so that none leads more than its share where others may take them; a pool stays where it is unless
 * that makes a difference. Every process decides this for itself from the same facts. Pools that no process may lead are left out.
 *
 * @param leaders who leads now, by pool
 */
export const planLeaders = (
  pools: readonly string[],
  servers: readonly PoolServer[],
  leaders: ReadonlyMap<string, string>,
): Map<string, string> => {
  const loads = servers
    .map((server): Load => ({ server, led: 0 }))
    .sort((a, b) => (a.server.id < b.server.id ? -1 : 1));
  const share = Math.ceil(pools.length / Math.max(1, servers.length));
  const able = new Map(pools.map((pool) => [pool, loads.filter(({ server }) => serves(server, pool))] as const));
  // Pools with the fewest processes to choose from come first: the others can go elsewhere.
  const order = [...able].sort(([a, x], [b, y]) => x.length - y.length || (a < b ? -1 : 1));
  const plan = new Map<string, string>();
  const give = (pool: string, load: Load): void => {
    load.led += 1;
    plan.set(pool, load.server.id);
  };
  const leaderOf = (pool: string, candidates: readonly Load[]): Load | undefined =>
    candidates.find(({ server }) => server.id === leaders.get(pool));
  for (const [pool, candidates] of order) {
    const leader = leaderOf(pool, candidates);
    if (leader && leader.led < share) give(pool, leader);
  }
  for (const [pool, candidates] of order) {
    if (plan.has(pool)) continue;
    const least = Math.min(...candidates.map(({ led }) => led));
    const leader = leaderOf(pool, candidates);
    const chosen = leader?.led === least ? leader : candidates.find(({ led }) => led === least);
    if (chosen) give(pool, chosen);
  }
  return plan;
};
