import {
  type AgentDetailsFragment,
  type AgentRowFragment,
  DeregisterAgent,
  DrainAgent,
  GetAgent,
  ListAgents,
  RegisterAgent,
  UndrainAgent,
  UpdateAgent,
} from 'baton-client';
import { type Command, Option } from 'commander';
import { Delivery, Health } from '../../domain/agent/events.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { refused, usageFailure } from '../failure.ts';
import { facts, oneLine, status } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import { type ListOptions, type ListView, listOptions, showList } from '../list.ts';
import * as parse from '../parse.ts';
import { type Accepted, perform } from '../perform.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';

const STATUSES = ['active', 'draining', 'deregistered'] as const;

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
    status(agent.status.toLowerCase(), colour),
    status(agent.unreachable === null ? agent.health.toLowerCase() : 'unreachable', colour),
    agent.pool,
    `${agent.openTasks}/${agent.maxConcurrency}`,
    oneLine(capabilityLine(agent.capabilities), MAX_CAPABILITIES),
  ],
};

type ListFilter = ServerOptions &
  ListOptions & {
    readonly status?: readonly (typeof STATUSES)[number][];
    readonly health?: readonly Health[];
    readonly pool?: string;
    readonly capability?: string;
    readonly text?: string;
  };

const list = (terminal: Terminal, options: ListFilter): Promise<void> => {
  const filter = {
    statuses: (options.status ?? (['active', 'draining'] as const)).map(parse.upperCase),
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

const unreachableText = ({ unreachable }: AgentRowFragment): string | undefined =>
  unreachable === null
    ? undefined
    : `since ${unreachable.since}, rests until ${unreachable.restsUntil} (${oneLine(unreachable.error, 200)})`;

const describeAgent = (agent: AgentDetailsFragment, colour: boolean): string =>
  facts([
    ['id', agent.id],
    ['name', oneLine(agent.name)],
    ['description', agent.description === null ? undefined : oneLine(agent.description, 300)],
    ['status', because(status(agent.status.toLowerCase(), colour), agent.statusReason)],
    ['health', because(status(agent.health.toLowerCase(), colour), agent.healthReason)],
    ['unreachable', unreachableText(agent)],
    ['pool', agent.pool],
    ['open', `${agent.openTasks} of ${agent.maxConcurrency}`],
    ['capabilities', capabilityLine(agent.capabilities)],
    ['transport', agent.cardUrl === null ? agent.transport : `${agent.transport}, ${agent.cardUrl}`],
    ['delivery', agent.delivery.toLowerCase()],
    ['heartbeats', agent.heartbeatIntervalMs === null ? 'none' : `every ${agent.heartbeatIntervalMs} ms`],
    ['labels', labelsText(agent.labels)],
    ['registered', agent.registeredAt],
  ]);

const get = async (terminal: Terminal, id: string, options: ServerOptions & Freshness): Promise<void> => {
  const { agent } = await withClient(terminal, options, (client) =>
    client.execute(GetAgent, { id, atLeast: options.atLeast }),
  );
  if (agent === null) throw refused('NOT_FOUND', `agent ${JSON.stringify(id)} does not exist`);
  print(terminal, options.json, agent, () => describeAgent(agent, terminal.colour));
};

type ProfileOptions = ServerOptions & {
  readonly name?: string;
  readonly description?: string;
  readonly capability?: readonly ReturnType<typeof parse.capability>[];
  readonly maxConcurrency?: number;
  readonly heartbeatMs?: number;
  readonly costPerCall?: ReturnType<typeof parse.money>;
  readonly label?: readonly (readonly [string, string])[];
  readonly idempotencyKey?: string;
};

type RegisterOptions = ProfileOptions & {
  readonly card?: string;
  readonly pool?: string;
  readonly delivery?: Delivery;
  readonly replace?: boolean;
};

const profileOf = (options: ProfileOptions) => ({
  name: options.name,
  description: options.description,
  capabilities: options.capability,
  maxConcurrency: options.maxConcurrency,
  heartbeatIntervalMs: options.heartbeatMs,
  costPerCall: options.costPerCall,
  labels: options.label === undefined ? undefined : Object.fromEntries(options.label),
});

const report = (
  terminal: Terminal,
  { json }: ServerOptions,
  { id, position, repeated }: Accepted,
  done: string,
): void =>
  print(
    terminal,
    json,
    { agentId: id, position, repeated },
    () => `${id} ${done}${repeated ? '  (nothing to do)' : ''}\n`,
  );

const register = async (terminal: Terminal, agentId: string, options: RegisterOptions): Promise<void> => {
  const input = {
    agentId,
    cardUrl: options.card,
    pool: options.pool,
    delivery: options.delivery && parse.upperCase(options.delivery),
    replace: options.replace,
    ...profileOf(options),
  };
  const { idempotencyKey } = options;
  report(terminal, options, await perform(terminal, options, RegisterAgent, { input, idempotencyKey }), 'registered');
};

const update = async (terminal: Terminal, agentId: string, options: ProfileOptions): Promise<void> => {
  const input = profileOf(options);
  if (Object.values(input).every((value) => value === undefined))
    throw usageFailure('nothing to change: name at least one of the options', 'baton agents update --help');
  const { idempotencyKey } = options;
  report(
    terminal,
    options,
    await perform(terminal, options, UpdateAgent, { agentId, input, idempotencyKey }),
    'updated',
  );
};

type ReasonOptions = ServerOptions & { readonly reason?: string };

const leave =
  (terminal: Terminal, document: typeof DrainAgent | typeof UndrainAgent | typeof DeregisterAgent, done: string) =>
  async (agentId: string, options: ReasonOptions): Promise<void> =>
    report(terminal, options, await perform(terminal, options, document, { agentId, reason: options.reason }), done);

const profileOptions = (of: Command): Command =>
  of
    .option('--name <text>', 'shown to people')
    .option('--description <text>', 'shown to people')
    .option(
      '--capability <name[@version]>',
      'what it can do; replaces those of its card (repeatable)',
      parse.collect(parse.capability),
    )
    .option('--max-concurrency <n>', 'attempts it may run at once', parse.integer(1, 10_000))
    .option('--heartbeat-ms <n>', 'interval at which it sends heartbeats', parse.integer(100, 3_600_000))
    .option('--cost-per-call <amount>', 'such as 0.00025USD', parse.money)
    .option('--label <key=value>', 'for filters (repeatable)', parse.collect(parse.label))
    .option('--idempotency-key <key>', 'the same key and values give the same outcome');

const addReads = (agents: Command, terminal: Terminal): void => {
  serverOptions(
    listOptions(
      agents
        .command('list')
        .description('List registered agents, newest first.')
        .addOption(
          parse.choicesOption(
            '--status <status>',
            'status to include; default: active and draining (repeatable)',
            STATUSES,
          ),
        )
        .addOption(parse.choicesOption('--health <health>', 'health to include (repeatable)', Health.options))
        .option('--pool <name>', 'pool of the agent')
        .option('--capability <name>', 'a capability of the agent')
        .option('--text <text>', 'part of id, name or description'),
    ),
  )
    .addHelpText('after', examples('baton agents list', 'baton agents list --health unhealthy --json'))
    .action((options: ListFilter) => list(terminal, options));
  serverOptions(freshness(agents.command('get').description('Show an agent.').argument('<id>')))
    .addHelpText('after', examples('baton agents get calculator-1'))
    .action((id: string, options: ServerOptions & Freshness) => get(terminal, id, options));
};

const addRegistration = (agents: Command, terminal: Terminal): void => {
  serverOptions(
    profileOptions(
      agents
        .command('register')
        .description('Register an A2A agent; its card is fetched at once.')
        .argument('<id>', 'letters, digits, _ and -')
        .option(
          '--card <url>',
          'URL of its agent card, or of the server that has it at the well-known path',
          parse.httpUrl,
        )
        .option('--pool <name>', 'pool to join')
        .addOption(
          new Option('--delivery <class>', 'what it guarantees about repeated calls').choices(Delivery.options),
        )
        .option('--replace', 'replace its profile if it is already registered'),
    ),
  )
    .addHelpText(
      'after',
      `${examples(
        'baton agents register calculator-1 --card http://127.0.0.1:7001',
        'baton agents register sap-1 --card https://agents.example.com/sap --delivery at_most_once --max-concurrency 2',
      )}\nWithout --card the agent is local: a function in a dispatcher's own process.\n`,
    )
    .action((id: string, options: RegisterOptions) => register(terminal, id, options));
  serverOptions(
    profileOptions(
      agents
        .command('update')
        .description("Change an agent's profile; options that are absent keep their values.")
        .argument('<id>'),
    ),
  )
    .addHelpText('after', examples('baton agents update calculator-1 --max-concurrency 20'))
    .action((id: string, options: ProfileOptions) => update(terminal, id, options));
};

const addLeave = (agents: Command, terminal: Terminal): void => {
  serverOptions(
    agents
      .command('drain')
      .description('Give an agent no new work; open attempts may finish.')
      .argument('<id>')
      .option('--reason <text>', 'reason to record'),
  )
    .addHelpText('after', examples("baton agents drain calculator-1 --reason 'new version at noon'"))
    .action(leave(terminal, DrainAgent, 'drains'));
  serverOptions(
    agents
      .command('undrain')
      .description('Give an agent that drains new work again.')
      .argument('<id>')
      .option('--reason <text>', 'reason to record'),
  )
    .addHelpText('after', examples('baton agents undrain calculator-1'))
    .action(leave(terminal, UndrainAgent, 'takes work again'));
  serverOptions(
    agents
      .command('deregister')
      .description('Take an agent out of its pool. It may register again.')
      .argument('<id>')
      .option('--reason <text>', 'reason to record'),
  )
    .addHelpText('after', examples('baton agents deregister calculator-1'))
    .action(leave(terminal, DeregisterAgent, 'deregistered'));
};

export const addAgents = (program: Command, terminal: Terminal): void => {
  const agents = program.command('agents').description('Register, inspect and retire agents.');
  addReads(agents, terminal);
  addRegistration(agents, terminal);
  addLeave(agents, terminal);
};
