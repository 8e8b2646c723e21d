import { HealthSummary } from 'baton-client';
import type { Command } from 'commander';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { table } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';

type HealthOptions = ServerOptions & Freshness & { readonly pool?: string; readonly limit?: number };

const MAX_SHOWN = 200;

const ask = async (terminal: Terminal, options: HealthOptions) => {
  const { pool, limit, atLeast } = options;
  return (await withClient(terminal, options, (client) => client.execute(HealthSummary, { pool, limit, atLeast })))
    .summary;
};

type Summary = Awaited<ReturnType<typeof ask>>;

const BREAKERS = [
  { title: 'AGENT' },
  { title: 'CAPABILITY' },
  { title: 'BREAKER' },
  { title: 'FAILED', align: 'right' },
  { title: 'SINCE' },
  { title: 'NEXT TRY' },
] as const;

const SERVICES = [
  { title: 'AGENT' },
  { title: 'HEALTHY' },
  { title: 'CALLS', align: 'right' },
  { title: 'ERRORS', align: 'right' },
  { title: 'SUCCESS', align: 'right' },
  { title: 'AVERAGE', align: 'right' },
] as const;

const describeSummary = ({ degradationMode, circuitBreakers, serviceHealth }: Summary): string => {
  const breakers = circuitBreakers.map(({ agentId, capability, state, failureCount, calls, changedAt, nextTryAt }) => [
    agentId,
    capability,
    state.toLowerCase(),
    `${failureCount} of ${calls}`,
    changedAt,
    nextTryAt ?? '',
  ]);
  const services = serviceHealth.map(
    ({ agentId, isHealthy, totalRequests, errorCount, successRate, averageResponseMs }) => [
      agentId,
      isHealthy ? 'yes' : 'no',
      String(totalRequests),
      String(errorCount),
      `${Math.round(successRate * 100)} %`,
      averageResponseMs === null ? '' : `${Math.round(averageResponseMs)} ms`,
    ],
  );
  const mode = degradationMode
    ? 'degraded: some agents are kept from work by their breakers\n'
    : 'no breaker is open\n';
  const shown = breakers.length === 0 ? '' : table(BREAKERS, breakers);
  return `${mode}${shown}${services.length === 0 ? 'no agent is registered\n' : table(SERVICES, services)}`;
};

export const addHealth = (agents: Command, terminal: Terminal): void => {
  serverOptions(
    freshness(
      agents
        .command('health')
        .description('Show which breakers are open, and how the newest calls of each agent went.')
        .option('--pool <name>', 'pool of the agents')
        .option('--limit <n>', 'how many agents and breakers; default: 100', parse.integer(1, MAX_SHOWN)),
    ),
  )
    .addHelpText('after', examples('baton agents health', 'baton agents health --pool default --json'))
    .action(async (options: HealthOptions) => {
      const summary = await ask(terminal, options);
      print(terminal, options.json, summary, () => describeSummary(summary));
    });
};
