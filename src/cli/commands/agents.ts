import {
  type AgentDetailsFragment,
  type AgentRowFragment,
  type AgentState,
  DeregisterAgent,
  DrainAgent,
  EndAgentMaintenance,
  GetAgent,
  ListAgents,
  ReportAgentReady,
  StartAgentMaintenance,
  UndrainAgent,
} from 'baton-client';
import { type Command, Option } from 'commander';
import { Health } from '../../domain/agent/events.ts';
import { STATE_NAMES, type StateName } from '../../domain/agent/vocabularies.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { refused } from '../failure.ts';
import { facts, oneLine, status } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import { type ListOptions, type ListView, listOptions, showList } from '../list.ts';
import * as parse from '../parse.ts';
import { perform } from '../perform.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { addDiscovery } from './agents-discover.ts';
import { addHealth } from './agents-health.ts';
import { addRegistration, reportAgent } from './agents-register.ts';

const STATUSES = ['warming', 'active', 'draining', 'deregistered'] as const;
const REGISTERED = ['warming', 'active', 'draining'] as const;

const stateInput = (state: StateName) => state.replace(':', '_').toUpperCase() as AgentState;

const MAX_CAPABILITIES = 60;

const capabilityLine = (capabilities: AgentRowFragment['capabilities']): string =>
  capabilities.map(({ name, version }) => `${name}@${version}`).join(' ');

const AGENTS: ListView<AgentRowFragment> = {
  word: 'agents',
  columns: [
    { title: 'ID' },
    { title: 'STATUS' },
    { title: 'HEALTH' },
    { title: 'POOL' },
    { title: 'OPEN', align: 'right' },
    { title: 'CAPABILITIES' },
  ],
  rowOf: (agent, colour) => [
    agent.id,
    status(agent.maintenanceStartedAt === null ? agent.status.toLowerCase() : 'maintenance', colour),
    status(agent.unreachable === null ? agent.health.toLowerCase() : 'unreachable', colour),
    agent.pool,
    `${agent.openTasks}/${agent.maxConcurrency}`,
    oneLine(capabilityLine(agent.capabilities), MAX_CAPABILITIES),
  ],
};

type ListFilter = ServerOptions &
  ListOptions & {
    readonly status?: readonly (typeof STATUSES)[number][];
    readonly state?: readonly StateName[];
    readonly health?: readonly Health[];
    readonly pool?: string;
    readonly capability?: string;
    readonly text?: string;
  };

const listAgents = (terminal: Terminal, options: ListFilter): Promise<void> => {
  const filter = {
    // A state may be one of those that have left.
    statuses: (options.status ?? (options.state ? STATUSES : REGISTERED)).map(parse.upperCase),
    states: options.state?.map(stateInput),
    healths: options.health?.map(parse.upperCase),
    pool: options.pool,
    capability: options.capability,
    text: options.text,
  };
  return showList(terminal, options, ListAgents, filter, AGENTS);
};

const because = (state: string, reason: string | null): string =>
  reason === null ? state : `${state} (${oneLine(reason, 200)})`;

const labelsText = (labels: AgentDetailsFragment['labels']): string | undefined =>
  Object.entries(labels ?? {})
    .map(([key, value]) => oneLine(`${key}=${value}`))
    .join(' ') || undefined;

const list = (texts: readonly string[]): string | undefined =>
  texts.map((text) => oneLine(text)).join(', ') || undefined;

const numberText = (value: number | null): string | undefined => (value === null ? undefined : String(value));

const placeText = ({ region, zone }: { readonly region: string; readonly zone: string | null }): string =>
  oneLine(zone === null ? region : `${region}/${zone}`);

/** The members that have a value. */
const stated = (facts: Readonly<Record<string, number | null>> | null): string | undefined =>
  list(Object.entries(facts ?? {}).flatMap(([name, value]) => (value === null ? [] : [`${name} ${value}`])));

const unreachableText = ({ unreachable }: AgentRowFragment): string | undefined =>
  unreachable === null
    ? undefined
    : `since ${unreachable.since}, rests until ${unreachable.restsUntil} (${oneLine(unreachable.error, 200)})`;

const maintenanceText = ({ maintenanceStartedAt, maintenanceReason }: AgentDetailsFragment): string | undefined =>
  maintenanceStartedAt === null ? undefined : because(`since ${maintenanceStartedAt}`, maintenanceReason);

const describeAgent = (agent: AgentDetailsFragment, colour: boolean): string =>
  facts([
    ['id', agent.id],
    ['name', oneLine(agent.name)],
    ['description', agent.description === null ? undefined : oneLine(agent.description, 300)],
    ['status', because(status(agent.status.toLowerCase(), colour), agent.statusReason)],
    ['maintenance', maintenanceText(agent)],
    ['health', because(status(agent.health.toLowerCase(), colour), agent.healthReason)],
    ['unreachable', unreachableText(agent)],
    ['pool', agent.pool],
    ['open', `${agent.openTasks} of ${agent.maxConcurrency}`],
    ['capabilities', capabilityLine(agent.capabilities)],
    ['transport', agent.cardUrl === null ? agent.transport : `${agent.transport}, ${agent.cardUrl}`],
    ['delivery', agent.delivery.toLowerCase()],
    ['heartbeats', agent.heartbeatIntervalMs === null ? 'none' : `every ${agent.heartbeatIntervalMs} ms`],
    ['warm-up', agent.warmUpMs === null ? undefined : `at most ${agent.warmUpMs} ms`],
    ['labels', labelsText(agent.labels)],
    ['version', agent.version ?? undefined],
    ['service types', list(agent.serviceTypes.map((type) => type.toLowerCase()))],
    ['tags', list(agent.tags)],
    ['location', agent.location === null ? undefined : placeText(agent.location)],
    ['weight', numberText(agent.weight)],
    ['cost factor', numberText(agent.costFactor)],
    ['standby', agent.standby ? 'in reserve' : undefined],
    ['sla', stated(agent.sla)],
    ['constraints', stated(agent.constraints)],
    ['registered', agent.registeredAt],
  ]);

const get = async (terminal: Terminal, id: string, options: ServerOptions & Freshness): Promise<void> => {
  const { agent } = await withClient(terminal, options, (client) =>
    client.execute(GetAgent, { id, atLeast: options.atLeast }),
  );
  if (agent === null) throw refused('NOT_FOUND', `agent ${JSON.stringify(id)} does not exist`);
  print(terminal, options.json, agent, () => describeAgent(agent, terminal.colour));
};

type ReasonOptions = ServerOptions & { readonly reason?: string };

const reportReady = async (terminal: Terminal, agentId: string, options: ServerOptions): Promise<void> =>
  reportAgent(terminal, options, await perform(terminal, options, ReportAgentReady, { agentId }), 'is ready for work');

const drain = async (
  terminal: Terminal,
  agentId: string,
  options: ReasonOptions & { readonly limit?: number },
): Promise<void> => {
  const { reason, limit: limitMs } = options;
  reportAgent(terminal, options, await perform(terminal, options, DrainAgent, { agentId, reason, limitMs }), 'drains');
};

type WithReason =
  | typeof UndrainAgent
  | typeof DeregisterAgent
  | typeof StartAgentMaintenance
  | typeof EndAgentMaintenance;

/** A command about one agent that takes nothing but a reason. */
const addWithReason = (agents: Command, terminal: Terminal, of: AgentCommand): void => {
  const act = async (agentId: string, options: ReasonOptions): Promise<void> => {
    const done = await perform(terminal, options, of.document, { agentId, reason: options.reason });
    reportAgent(terminal, options, done, of.done);
  };
  serverOptions(
    agents.command(of.name).description(of.description).argument('<id>').option('--reason <text>', 'reason to record'),
  )
    .addHelpText('after', examples(of.example))
    .action(act);
};

type AgentCommand = {
  readonly name: string;
  readonly description: string;
  readonly document: WithReason;
  readonly done: string;
  readonly example: string;
};

const addReads = (agents: Command, terminal: Terminal): void => {
  serverOptions(
    listOptions(
      agents
        .command('list')
        .description('List registered agents, newest first.')
        .addOption(
          parse.choicesOption(
            '--status <status>',
            'status to include; default: all but deregistered (repeatable)',
            STATUSES,
          ),
        )
        .addOption(
          new Option(
            '--state <vocabulary:word>',
            'state in the words of another system, such as registry:maintenance (repeatable)',
          ).argParser(parse.collect(parse.oneOf(STATE_NAMES))),
        )
        .addOption(parse.choicesOption('--health <health>', 'health to include (repeatable)', Health.options))
        .option('--pool <name>', 'pool of the agent')
        .option('--capability <name>', 'a capability of the agent')
        .option('--text <text>', 'part of id, name or description'),
    ),
  )
    .addHelpText('after', examples('baton agents list', 'baton agents list --health unhealthy --json'))
    .action((options: ListFilter) => listAgents(terminal, options));
  serverOptions(freshness(agents.command('get').description('Show an agent.').argument('<id>')))
    .addHelpText('after', examples('baton agents get calculator-1'))
    .action((id: string, options: ServerOptions & Freshness) => get(terminal, id, options));
};

const addDrain = (agents: Command, terminal: Terminal): void => {
  serverOptions(
    agents
      .command('drain')
      .description('Give an agent no new work; open attempts may finish.')
      .argument('<id>')
      .option('--reason <text>', 'reason to record')
      .option('--limit <duration>', 'what it holds then is given up; default: 5m', parse.durationMs),
  )
    .addHelpText('after', examples("baton agents drain calculator-1 --limit 1m --reason 'new version at noon'"))
    .action((id: string, options: ReasonOptions & { readonly limit?: number }) => drain(terminal, id, options));
};

const addReady = (agents: Command, terminal: Terminal): void => {
  serverOptions(
    agents.command('ready').description('Say that an agent has warmed up: it gets work from now on.').argument('<id>'),
  )
    .addHelpText('after', examples('baton agents ready calculator-1'))
    .action((id: string, options: ServerOptions) => reportReady(terminal, id, options));
};

const WITH_REASON: readonly AgentCommand[] = [
  {
    name: 'undrain',
    description: 'Give an agent that drains new work again.',
    document: UndrainAgent,
    done: 'takes work again',
    example: 'baton agents undrain calculator-1',
  },
  {
    name: 'maintenance',
    description: 'Keep an agent from new work, also when it registers again; open attempts may finish.',
    document: StartAgentMaintenance,
    done: 'is under maintenance',
    example: "baton agents maintenance calculator-1 --reason 'disks are replaced'",
  },
  {
    name: 'end-maintenance',
    description: 'End the maintenance of an agent.',
    document: EndAgentMaintenance,
    done: 'is no longer under maintenance',
    example: 'baton agents end-maintenance calculator-1',
  },
  {
    name: 'deregister',
    description: 'Take an agent out of its pool. It may register again.',
    document: DeregisterAgent,
    done: 'deregistered',
    example: 'baton agents deregister calculator-1',
  },
];

export const addAgents = (program: Command, terminal: Terminal): void => {
  const agents = program.command('agents').description('Register, inspect and retire agents.');
  addReads(agents, terminal);
  addDiscovery(agents, terminal);
  addHealth(agents, terminal);
  addRegistration(agents, terminal);
  addReady(agents, terminal);
  addDrain(agents, terminal);
  for (const command of WITH_REASON) addWithReason(agents, terminal, command);
};
