import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import type { Baton } from '#baton/baton.js';
import { registerAgent } from '#baton/commands/agent/register-agent.js';
import { Child, startAgent } from './child.ts';
import { type Bench, Figures, median, round } from './harness.ts';
import { NOOP_AGENT } from './noop-agent.ts';
import { cpuUs, sumOver, treeOf } from './processes.ts';
import { withBaton } from './with-baton.ts';

const BRANCHES = 2_000;
const RATIOS = ['ms', 'dispatchersUs', 'allUs'] as const;
/** Where the agent is: over the network, or a function that each dispatcher has. */
const AGENTS = ['a2a', 'function'] as const;
type Kind = (typeof AGENTS)[number];

const DISPATCHER = fileURLToPath(new URL('./dispatcher.mjs', import.meta.url));

const WIDE = {
  name: 'wide',
  version: '1.0.0',
  tasks: [
    {
      id: 'branch',
      capability: 'noop',
      forEach: { items: 'input.items', maxItems: BRANCHES },
      input: { n: '=item' },
    },
  ],
};

const runOne = async (baton: Baton): Promise<void> => {
  const { executionId } = await baton.start({
    workflow: 'wide',
    input: { items: Array.from({ length: BRANCHES }, (_, index) => index) },
  });
  const { status } = await baton.executions.wait('default', executionId);
  if (status !== 'completed') throw new Error(`execution ${executionId} ended as ${status}, expected completed`);
};

/** What one execution cost. */
type Measured = {
  readonly ms: number;
  /** Processor time of the dispatchers; and of all processes, with the stores and the agent. */
  readonly dispatchersUs: number;
  readonly allUs: number;
  /** What the dispatchers did at the log. */
  readonly appends: number;
  readonly conflicts: number;
  readonly eventsRead: number;
};

const UNITS: Readonly<Record<keyof Measured, string>> = {
  ms: 'ms',
  dispatchersUs: 'µs per branch',
  allUs: 'µs per branch',
  appends: 'calls',
  conflicts: 'calls',
  eventsRead: 'events',
};

const atLogOf = async (children: readonly Child[]) => {
  const counters = await Promise.all(children.map((child) => child.ask()));
  const sum = (name: string): number => counters.reduce((total, { appends }) => total + (appends?.[name] ?? 0), 0);
  return { appends: sum('calls'), conflicts: sum('conflicts'), eventsRead: sum('eventsRead') };
};

const measure = async (baton: Baton, children: readonly Child[]): Promise<Measured> => {
  // Each process has run as many branches before, so that it has compiled what is run often.
  for (let warm = 0; warm < children.length; warm += 1) await runOne(baton);
  const dispatchers = (): number =>
    sumOver(
      children.map(({ pid }) => pid),
      cpuUs,
    );
  const all = (): number => sumOver(treeOf(process.pid), cpuUs);
  const logBefore = await atLogOf(children);
  const [dispatchersBefore, allBefore, startedAt] = [dispatchers(), all(), performance.now()];
  await runOne(baton);
  const ms = performance.now() - startedAt;
  const dispatchersUs = (dispatchers() - dispatchersBefore) / BRANCHES;
  const allUs = (all() - allBefore) / BRANCHES;
  const log = await atLogOf(children);
  return {
    ms,
    dispatchersUs,
    allUs,
    appends: log.appends - logBefore.appends,
    conflicts: log.conflicts - logBefore.conflicts,
    eventsRead: log.eventsRead - logBefore.eventsRead,
  };
};

/** `idle` ones follow the same log and have nothing to do: a pool without work. What they cost no way of sharing out the work can save. */
type Fleet = { readonly count: number; readonly idle?: number };

const FLEETS: Readonly<Record<string, Fleet>> = {
  1: { count: 1 },
  4: { count: 4 },
  '1And3Idle': { count: 1, idle: 3 },
};

const withDispatchers = async (
  baton: Baton,
  { kind, count, idle = 0 }: Fleet & { readonly kind: Kind },
  work: (children: readonly Child[]) => Promise<Measured>,
): Promise<Measured> => {
  const { eventStoreUrl, databaseUrl, redisUrl } = baton.urls;
  const env = {
    EVENTSTORE_URL: eventStoreUrl,
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    BATON_ROLES: 'dispatcher',
    BATON_LOG_LEVEL: 'error',
    BATON_ALLOW_PRIVATE_AGENTS: 'true',
  };
  const start = async (index: number): Promise<Child> => {
    const isIdle = index >= count;
    const agent = kind === 'function' && !isIdle ? [JSON.stringify(NOOP_AGENT)] : [];
    return (await Child.start(DISPATCHER, agent, { ...env, ...(isIdle ? { BATON_POOLS: 'elsewhere' } : {}) }))[0];
  };
  const children = await Promise.all(Array.from({ length: count + idle }, (_, index) => start(index)));
  try {
    return await work(children);
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
};

const registerA2a = async (baton: Baton): Promise<Child> => {
  const [agent, cardUrl] = await startAgent();
  const caller = { tenant: 'default', actor: 'bench' };
  await registerAgent(baton.commands, caller, { ...NOOP_AGENT, cardUrl });
  return agent;
};

export const dispatchers: Bench = {
  question: `Is one execution of ${BRANCHES} branches slower with 4 dispatcher processes than with 1?`,
  async run({ runs, say, stores }) {
    const figures = new Figures();
    const ratios: Record<string, number[]> = {};
    for (const kind of AGENTS) {
      await withBaton(
        stores,
        async (baton) => {
          const agent = kind === 'a2a' ? await registerA2a(baton) : undefined;
          await baton.publish(WIDE);
          for (let run = 1; run <= runs; run += 1) {
            say(`${kind}: run ${run} of ${runs}`);
            let one: Measured | undefined;
            for (const [fleet, counts] of Object.entries(FLEETS)) {
              const measured = await withDispatchers(baton, { kind, ...counts }, (children) =>
                measure(baton, children),
              );
              for (const name of Object.keys(UNITS) as (keyof Measured)[])
                figures.add(`${kind}.${fleet}.${name}`, measured[name], UNITS[name]);
              one ??= measured;
              if (measured === one) continue;
              for (const name of RATIOS) {
                const key = `${kind}.${name}${fleet}Over1`;
                ratios[key] = [...(ratios[key] ?? []), measured[name] / one[name]];
              }
            }
          }
          await agent?.stop();
        },
        { BATON_ROLES: 'api,assigner,processes,projector' },
      );
    }
    return {
      runs,
      figures: figures.spreads(),
      ratios: Object.fromEntries(Object.entries(ratios).map(([key, values]) => [key, round(median(values))])),
    };
  },
};
