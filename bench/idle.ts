import { setTimeout as sleep } from 'node:timers/promises';
import type { Baton } from '#baton/baton.js';
import { registerAgent } from '#baton/commands/agent/register-agent.js';
import { type Bench, Figures, openLoop } from './harness.ts';
import { cpuUs, rssMb, sumOver, treeOf } from './processes.ts';
import { withBaton } from './with-baton.ts';

const AGENTS = 1_000;
const HEARTBEAT_MS = 30_000;
const MINUTES = 10;
const SETTLE_MS = 5_000;

const register = async (baton: Baton): Promise<void> => {
  for (let index = 0; index < AGENTS; index += 1)
    await registerAgent(
      baton.commands,
      { tenant: 'default', actor: 'bench' },
      { agentId: `idle-${index}`, capabilities: [{ name: 'noop' }], heartbeatIntervalMs: HEARTBEAT_MS },
    );
};

const beat = async (baton: Baton, index: number): Promise<void> => {
  const response = await fetch(`${baton.url}/agents/idle-${index % AGENTS}/heartbeat`, { method: 'POST' });
  if (response.status !== 204) throw new Error(`heartbeat: HTTP ${response.status}`);
};

export const idle: Bench = {
  question: `What do ${AGENTS} idle agents with a heartbeat every ${HEARTBEAT_MS / 1000} s cost in ${MINUTES} minutes?`,
  /** One run unless asked for more: each takes ten minutes. */
  async run({ say, stores }) {
    const figures = new Figures();
    await withBaton(stores, async (baton) => {
      await register(baton);
      await sleep(SETTLE_MS);
      const named = [{ name: 'baton', pid: process.pid }, ...baton.processes];
      const tree = (name: string, pid: number): number[] => (name === 'baton' ? [pid] : treeOf(pid));
      const before = new Map(named.map(({ name, pid }) => [name, sumOver(tree(name, pid), cpuUs)]));
      const headBefore = baton.feed.head;
      say(`resting for ${MINUTES} minutes`);
      await openLoop((AGENTS * 1_000) / HEARTBEAT_MS, MINUTES * 60, (index) => beat(baton, index));
      for (const { name, pid } of named) {
        figures.add(`rssMb.${name}`, sumOver(tree(name, pid), rssMb), 'MiB');
        const used = sumOver(tree(name, pid), cpuUs) - before.get(name)!;
        figures.add(`cpuPercent.${name}`, (used / (MINUTES * 60 * 1e6)) * 100, '% of a core');
      }
      let events = 0;
      const after = headBefore === undefined ? {} : { after: headBefore };
      const signal = AbortSignal.timeout(SETTLE_MS);
      for await (const batch of baton.feed.read({ ...after, maxBatch: 1_000, signal })) events += batch.events.length;
      figures.add('idleEvents', events, 'events');
    });
    return { runs: 1, figures: figures.spreads(), ratios: {} };
  },
};
