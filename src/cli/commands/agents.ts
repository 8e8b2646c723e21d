import { type Command, Option } from 'commander';
import { Delivery, Health } from '../../domain/agent/events.ts';
import type { Client } from '../client.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { refused, usageFailure } from '../failure.ts';
import { type Column, facts, oneLine, status, table } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import { type ListOptions, listOptions, readList, remainder } from '../list.ts';
import * as parse from '../parse.ts';
import { type Accepted, acceptedOf, payloadOf } from '../payload.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';

const STATUSES = ['active', 'draining', 'deregistered'] as const;

type Capability = { readonly name: string; readonly version: string };

type AgentRow = {
  readonly id: string;
  readonly name: string;
  readonly pool: string;
  readonly status: string;
  readonly health: string;
  readonly capabilities: readonly Capability[];
  readonly openTasks: number;
  readonly maxConcurrency: number;
};

const ROW = 'id name pool status health capabilities { name version } openTasks maxConcurrency transport delivery';

const COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'STATUS' },
  { title: 'HEALTH' },
  { title: 'POOL' },
  { title: 'OPEN', align: 'right' },
  { title: 'CAPABILITIES' },
];

const MAX_CAPABILITIES = 60;

const capabilityLine = (capabilities: readonly Capability[]): string =>
  capabilities.map(({ name, version }) => `${name}@${version}`).join(' ');

const rowOf = (agent: AgentRow, colour: boolean): string[] => [
  agent.id,
  status(agent.status.toLowerCase(), colour),
  status(agent.health.toLowerCase(), colour),
  agent.pool,
  `${agent.openTasks}/${agent.maxConcurrency}`,
  oneLine(capabilityLine(agent.capabilities), MAX_CAPABILITIES),
];

type ListFilter = ServerOptions &
  ListOptions & {
    readonly status: readonly string[];
    readonly health?: readonly string[];
    readonly pool?: string;
    readonly capability?: string;
    readonly text?: string;
  };

const list = async (terminal: Terminal, options: ListFilter): Promise<void> => {
  const filter = {
    statuses: (options.status ?? ['active', 'draining']).map((name) => name.toUpperCase()),
    healths: options.health?.map((name) => name.toUpperCase()),
    pool: options.pool,
    capability: options.capability,
    text: options.text,
  };
  const query = { field: 'agents', filterType: 'AgentFilter', selection: ROW };
  const found = await withClient(terminal, options, (client) => readList<AgentRow>(client, query, filter, options));
  print(terminal, options.json, found, () => {
    const rows = found.items.map((agent) => rowOf(agent, terminal.colour));
    return `${rows.length === 0 ? '' : table(COLUMNS, rows)}${remainder(found, 'agents')}`;
  });
};

type Agent = AgentRow & {
  readonly description: string | null;
  readonly statusReason: string | null;
  readonly healthReason: string | null;
  readonly transport: string;
  readonly cardUrl: string | null;
  readonly delivery: string;
  readonly heartbeatIntervalMs: number | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly registeredAt: string;
};

const AGENT = `${ROW} description statusReason healthReason healthChangedAt cardUrl heartbeatIntervalMs costPerCall { currency micros }
  labels registeredAt updatedAt drainStartedAt deregisteredAt position`;

const because = (state: string, reason: string | null): string =>
  reason === null ? state : `${state} (${oneLine(reason, 200)})`;

const describeAgent = (agent: Agent, colour: boolean): string =>
  facts([
    ['id', agent.id],
    ['name', oneLine(agent.name)],
    ['description', agent.description === null ? undefined : oneLine(agent.description, 300)],
    ['status', because(status(agent.status.toLowerCase(), colour), agent.statusReason)],
    ['health', because(status(agent.health.toLowerCase(), colour), agent.healthReason)],
    ['pool', agent.pool],
    ['open', `${agent.openTasks} of ${agent.maxConcurrency}`],
    ['capabilities', capabilityLine(agent.capabilities)],
    ['transport', agent.cardUrl === null ? agent.transport : `${agent.transport}, ${agent.cardUrl}`],
    ['delivery', agent.delivery.toLowerCase()],
    ['heartbeats', agent.heartbeatIntervalMs === null ? 'none' : `every ${agent.heartbeatIntervalMs} ms`],
    [
      'labels',
      Object.entries(agent.labels)
        .map(([key, value]) => oneLine(`${key}=${value}`))
        .join(' ') || undefined,
    ],
    ['registered', agent.registeredAt],
  ]);

const GET = `query ($id: ID!, $atLeast: Position) { agent(id: $id, atLeast: $atLeast) { ${AGENT} } }`;

const get = async (terminal: Terminal, id: string, options: ServerOptions & Freshness): Promise<void> => {
  const { agent } = await withClient(terminal, options, (client) =>
    client.execute<{ agent: Agent | null }>(GET, { id, atLeast: options.atLeast }),
  );
  if (agent === null) throw refused('NOT_FOUND', `agent ${JSON.stringify(id)} does not exist`);
  print(terminal, options.json, agent, () => describeAgent(agent, terminal.colour));
};

type ProfileOptions = ServerOptions & {
  readonly name?: string;
  readonly description?: string;
  readonly capability?: readonly Capability[];
  readonly maxConcurrency?: number;
  readonly heartbeatMs?: number;
  readonly costPerCall?: { readonly currency: string; readonly micros: number };
  readonly label?: readonly (readonly [string, string])[];
  readonly idempotencyKey?: string;
};

type RegisterOptions = ProfileOptions & {
  readonly card?: string;
  readonly pool?: string;
  readonly delivery?: string;
  readonly replace?: boolean;
};

const profileOf = (options: ProfileOptions): Record<string, unknown> => ({
  name: options.name,
  description: options.description,
  capabilities: options.capability,
  maxConcurrency: options.maxConcurrency,
  heartbeatIntervalMs: options.heartbeatMs,
  costPerCall: options.costPerCall,
  labels: options.label === undefined ? undefined : Object.fromEntries(options.label),
});

/** Runs a command of an agent and tells that it was taken. */
const command = async (
  terminal: Terminal,
  options: ServerOptions,
  done: string,
  run: (client: Client) => Promise<{ readonly payload: Accepted }>,
): Promise<void> => {
  const { id, position, repeated } = acceptedOf((await withClient(terminal, options, run)).payload);
  print(
    terminal,
    options.json,
    { agentId: id, position, repeated },
    () => `${id} ${done}${repeated ? '  (nothing was left to do)' : ''}\n`,
  );
};

const register = (terminal: Terminal, agentId: string, options: RegisterOptions): Promise<void> => {
  const input = {
    agentId,
    cardUrl: options.card,
    pool: options.pool,
    delivery: options.delivery?.toUpperCase(),
    replace: options.replace,
    ...profileOf(options),
  };
  const document = `mutation ($input: RegisterAgentInput!, $key: String) {
    payload: registerAgent(input: $input, idempotencyKey: $key) ${payloadOf('Agent')} }`;
  return command(terminal, options, 'registered', (client) =>
    client.execute(document, { input, key: options.idempotencyKey }),
  );
};

const update = (terminal: Terminal, agentId: string, options: ProfileOptions): Promise<void> => {
  const input = profileOf(options);
  if (Object.values(input).every((value) => value === undefined))
    throw usageFailure('nothing to change: name at least one of the options', 'baton agents update --help');
  const document = `mutation ($agentId: ID!, $input: UpdateAgentInput!, $key: String) {
    payload: updateAgent(agentId: $agentId, input: $input, idempotencyKey: $key) ${payloadOf('Agent')} }`;
  return command(terminal, options, 'updated', (client) =>
    client.execute(document, { agentId, input, key: options.idempotencyKey }),
  );
};

type ReasonOptions = ServerOptions & { readonly reason?: string };

const leave =
  (terminal: Terminal, mutation: 'drainAgent' | 'deregisterAgent', done: string) =>
  (agentId: string, options: ReasonOptions): Promise<void> => {
    const document = `mutation ($agentId: ID!, $reason: String) {
      payload: ${mutation}(agentId: $agentId, reason: $reason) ${payloadOf('Agent')} }`;
    return command(terminal, options, done, (client) => client.execute(document, { agentId, reason: options.reason }));
  };

const profileOptions = (of: Command): Command =>
  of
    .option('--name <text>', 'for people')
    .option('--description <text>', 'for people')
    .option(
      '--capability <name[@version]>',
      'what it can do; replaces those of its card (repeatable)',
      parse.collect(parse.capability),
    )
    .option('--max-concurrency <n>', 'attempts it may hold at once', parse.integer(1, 10_000))
    .option('--heartbeat-ms <n>', 'it sends a heartbeat this often', parse.integer(100, 3_600_000))
    .option('--cost-per-call <amount>', 'such as 0.00025USD', parse.money)
    .option('--label <key=value>', 'for filters (repeatable)', parse.collect(parse.label))
    .option('--idempotency-key <key>', 'the same key and values give the same outcome');

export const addAgents = (program: Command, terminal: Terminal): void => {
  const agents = program.command('agents').description('Register agents and look at them.');
  serverOptions(
    listOptions(
      agents
        .command('list')
        .description('List registered agents, newest first.')
        .addOption(
          new Option('--status <status>', 'one of several; active and draining when absent (repeatable)')
            .choices(STATUSES)
            .argParser(parse.collect(parse.oneOf(STATUSES))),
        )
        .addOption(
          new Option('--health <health>', 'one of several (repeatable)')
            .choices(Health.options)
            .argParser(parse.collect(parse.oneOf(Health.options))),
        )
        .option('--pool <name>', 'pool they belong to')
        .option('--capability <name>', 'a capability they have')
        .option('--text <text>', 'part of id, name or description'),
    ),
  )
    .addHelpText('after', examples('baton agents list', 'baton agents list --health unhealthy --json'))
    .action((options: ListFilter) => list(terminal, options));
  serverOptions(freshness(agents.command('get').description('Show an agent.').argument('<id>')))
    .addHelpText('after', examples('baton agents get calculator-1'))
    .action((id: string, options: ServerOptions & Freshness) => get(terminal, id, options));
  serverOptions(
    profileOptions(
      agents
        .command('register')
        .description('Register an A2A agent; its card is fetched now.')
        .argument('<id>', 'letters, digits, _ and -')
        .option('--card <url>', 'its agent card, or the server that has it at the well-known place', parse.httpUrl)
        .option('--pool <name>', 'pool to join')
        .addOption(new Option('--delivery <class>', 'what it promises about repeated calls').choices(Delivery.options))
        .option('--replace', 'replace the profile when it is registered already'),
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
      agents.command('update').description("Change an agent's profile; what is not named stays.").argument('<id>'),
    ),
  )
    .addHelpText('after', examples('baton agents update calculator-1 --max-concurrency 20'))
    .action((id: string, options: ProfileOptions) => update(terminal, id, options));
  serverOptions(
    agents
      .command('drain')
      .description('Give an agent no new work; what it holds may finish.')
      .argument('<id>')
      .option('--reason <text>', 'recorded with it'),
  )
    .addHelpText('after', examples("baton agents drain calculator-1 --reason 'new version at noon'"))
    .action(leave(terminal, 'drainAgent', 'drains'));
  serverOptions(
    agents
      .command('deregister')
      .description('Take an agent out of its pool. It may register again.')
      .argument('<id>')
      .option('--reason <text>', 'recorded with it'),
  )
    .addHelpText('after', examples('baton agents deregister calculator-1'))
    .action(leave(terminal, 'deregisterAgent', 'deregistered'));
};
