import { DiscoverAgents } from 'baton-client';
import { type Command, Option } from 'commander';
import { ServiceType } from '../../domain/agent/descriptor.ts';
import { MAX_DISCOVERED, READINESS, type Readiness } from '../../domain/discovery/query.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { oneLine, table } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';

type DiscoverOptions = ServerOptions &
  Freshness & {
    readonly pool?: string;
    readonly capability?: readonly ReturnType<typeof parse.capability>[];
    readonly serviceType?: readonly ServiceType[];
    readonly tag?: readonly string[];
    readonly agentVersion?: string;
    readonly near?: ReturnType<typeof parse.location>;
    readonly minHealth?: number;
    readonly readiness?: Readiness;
    readonly limit?: number;
  };

const inputOf = (options: DiscoverOptions) => ({
  pool: options.pool,
  capabilities: options.capability?.map(({ name, version }) => ({ name, versionRange: version })),
  serviceTypes: options.serviceType?.map(parse.upperCase),
  tags: options.tag,
  agentVersion: options.agentVersion,
  preferredLocation: options.near,
  minHealth: options.minHealth,
  readiness: options.readiness && parse.upperCase(options.readiness),
  limit: options.limit,
});

const ask = async (terminal: Terminal, options: DiscoverOptions) => {
  const variables = { input: inputOf(options), atLeast: options.atLeast };
  return (await withClient(terminal, options, (client) => client.execute(DiscoverAgents, variables))).discovery;
};

type Answer = Awaited<ReturnType<typeof ask>>;

const COLUMNS = [
  { title: 'ID' },
  { title: 'HEALTH', align: 'right' },
  { title: 'FREE', align: 'right' },
  { title: 'LOCATION' },
  { title: 'VERSION' },
  { title: 'POOL' },
] as const;

const MAX_NAMED = 3;

const leftOutLine = ({ reason, count, agentIds }: Answer['leftOut'][number]): string => {
  const named = agentIds.slice(0, MAX_NAMED).join(', ');
  return `left out for ${reason.toLowerCase()}: ${count} (${named}${count > MAX_NAMED ? ', …' : ''})\n`;
};

const describeAnswer = ({ total, agents, leftOut }: Answer): string => {
  const rows = agents.map(({ agentId, healthScore, freeSlots, location, version, pool }) => [
    agentId,
    String(healthScore),
    String(freeSlots),
    location === null ? '' : oneLine([location.region, location.zone].filter((part) => part !== null).join('/')),
    version ?? '',
    pool,
  ]);
  const found = rows.length === 0 ? 'no agent fits\n' : table(COLUMNS, rows);
  const more = total > agents.length ? `${total} agents fit; --limit shows more\n` : '';
  return `${found}${more}${leftOut.map(leftOutLine).join('')}`;
};

const discover = async (terminal: Terminal, options: DiscoverOptions): Promise<void> => {
  const answer = await ask(terminal, options);
  print(terminal, options.json, answer, () => describeAnswer(answer));
};

export const addDiscovery = (agents: Command, terminal: Terminal): void => {
  serverOptions(
    freshness(
      agents
        .command('discover')
        .description('Find agents that fit, and why the others do not.')
        .option('--pool <name>', 'pool of the agent')
        .option(
          '--capability <name[@range]>',
          'a capability that it must have, such as footprint@^1.2.0 (repeatable: all of them)',
          parse.collect(parse.capability),
        )
        .addOption(
          parse.choicesOption('--service-type <type>', 'what it is for (repeatable: any of them)', ServiceType.options),
        )
        .option('--tag <text>', 'a tag that it must have (repeatable: any of them)', parse.collect(String))
        .option('--agent-version <range>', 'semver range of the version of the agent')
        .option('--near <region[/zone]>', 'agents there come first', parse.location)
        .option('--min-health <score>', 'from 0 to 1; default: 0.5', parse.number(0, 1))
        .addOption(new Option('--readiness <step>', 'default: discovered').choices(READINESS))
        .option('--limit <n>', 'how many; default: 10', parse.integer(1, MAX_DISCOVERED)),
    ),
  )
    .addHelpText(
      'after',
      examples(
        'baton agents discover --capability footprint@^1.0.0 --readiness able_now',
        'baton agents discover --tag gpu --near eu-west/b --limit 3 --json',
      ),
    )
    .action((options: DiscoverOptions) => discover(terminal, options));
};
