import { RegisterAgent, RegisterAgents, UpdateAgent } from 'baton-client';
import { type Command, Option } from 'commander';
import { MAX_AGENTS_PER_CALL } from '../../commands/agent/register-agent.ts';
import { ServiceType } from '../../domain/agent/descriptor.ts';
import { Delivery } from '../../domain/agent/events.ts';
import { readAgents, readDescriptor } from '../agent-file.ts';
import { type ServerOptions, serverOptions } from '../connection.ts';
import { usageFailure } from '../failure.ts';
import { keyed, performMany } from '../many.ts';
import * as parse from '../parse.ts';
import { type Accepted, perform } from '../perform.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';

type ProfileOptions = ServerOptions & {
  readonly name?: string;
  readonly description?: string;
  readonly capability?: readonly ReturnType<typeof parse.capability>[];
  readonly maxConcurrency?: number;
  readonly heartbeatMs?: number;
  readonly costPerCall?: ReturnType<typeof parse.money>;
  readonly label?: readonly (readonly [string, string])[];
  readonly agentVersion?: string;
  readonly serviceType?: readonly ServiceType[];
  readonly tag?: readonly string[];
  readonly location?: ReturnType<typeof parse.location>;
  readonly weight?: number;
  readonly costFactor?: number;
  readonly standby?: boolean;
  readonly idempotencyKey?: string;
};

type RegisterOptions = ProfileOptions & {
  readonly card?: string;
  readonly pool?: string;
  readonly delivery?: Delivery;
  readonly replace?: boolean;
  readonly heartbeats?: boolean;
  readonly warmUp?: number;
  readonly file?: string;
};

const profileOf = (options: ProfileOptions) => ({
  name: options.name,
  description: options.description,
  capabilities: options.capability,
  maxConcurrency: options.maxConcurrency,
  heartbeatIntervalMs: options.heartbeatMs,
  costPerCall: options.costPerCall,
  labels: options.label === undefined ? undefined : Object.fromEntries(options.label),
  version: options.agentVersion,
  serviceTypes: options.serviceType?.map(parse.upperCase),
  tags: options.tag,
  location: options.location,
  weight: options.weight,
  costFactor: options.costFactor,
  standby: options.standby,
});

/** Says what a command did to an agent. */
export const reportAgent = (
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

const given = <Values extends object>(values: Values): Partial<Values> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<Values>;

const register = async (terminal: Terminal, id: string | undefined, options: RegisterOptions): Promise<void> => {
  const described = options.file === undefined ? undefined : await readDescriptor(terminal, options.file);
  const agentId = id ?? described?.agentId;
  if (agentId === undefined)
    throw usageFailure('which agent? give its id, or a file with agentId', 'baton agents register --help');
  const input = {
    ...described,
    agentId,
    ...given({
      cardUrl: options.card,
      pool: options.pool,
      delivery: options.delivery && parse.upperCase(options.delivery),
      replace: options.replace,
      heartbeats: options.heartbeats,
      warmUpMs: options.warmUp,
      ...profileOf(options),
    }),
  };
  const { idempotencyKey } = options;
  reportAgent(
    terminal,
    options,
    await perform(terminal, options, RegisterAgent, { input, idempotencyKey }),
    'registered',
  );
};

type ManyOptions = ServerOptions & { readonly idempotencyKey?: string; readonly replace?: boolean };

const registerMany = async (terminal: Terminal, file: string, options: ManyOptions): Promise<void> => {
  const agents = await readAgents(terminal, file);
  const replace = options.replace === true ? { replace: true } : {};
  const items = keyed(
    agents.map(({ idempotencyKey, agent }) => ({ idempotencyKey, agent: { ...agent, ...replace } })),
    options.idempotencyKey,
  );
  await performMany(terminal, options, {
    words: { item: 'agent', doing: 'registering', done: 'registered' },
    items: items.map((item, index) => ({ item, place: agents[index]?.place ?? '' })),
    most: MAX_AGENTS_PER_CALL,
    send: async (client, some) => (await client.execute(RegisterAgents, { agents: some })).registerAgents.items,
    lineOf: ({ accepted }) => accepted?.id ?? '',
  });
};

const update = async (terminal: Terminal, agentId: string, options: ProfileOptions): Promise<void> => {
  const input = profileOf(options);
  if (Object.values(input).every((value) => value === undefined))
    throw usageFailure('nothing to change: name at least one of the options', 'baton agents update --help');
  const { idempotencyKey } = options;
  reportAgent(
    terminal,
    options,
    await perform(terminal, options, UpdateAgent, { agentId, input, idempotencyKey }),
    'updated',
  );
};

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
    .option('--agent-version <version>', 'semver version of the agent; default: that of its card')
    .addOption(parse.choicesOption('--service-type <type>', 'what it is for (repeatable)', ServiceType.options))
    .option('--tag <text>', 'for discovery (repeatable)', parse.collect(String))
    .option('--location <region[/zone]>', 'where it runs', parse.location)
    .option('--weight <n>', 'its share where agents are chosen by weight', parse.number(0.01, 1_000))
    .option('--cost-factor <n>', 'what an hour of its work costs, compared with others', parse.number(0, 1_000_000))
    .option('--standby', 'keep it in reserve: it gets work only while no other able agent is free')
    .option('--no-standby', 'call it up from the reserve')
    .option('--idempotency-key <key>', 'the same key and values give the same outcome');

const addMany = (agents: Command, terminal: Terminal): void => {
  serverOptions(
    agents
      .command('register-many')
      .description(
        'Register the agents of a file (a JSON list, or JSON lines) and print their ids. All are checked before the first is sent.',
      )
      .argument('<file>', '- is stdin')
      .option('--replace', 'replace the profiles of those that are already registered')
      .option(
        '--idempotency-key <key>',
        'prefix for keys of agents without one; the same file again gives the same outcome',
      ),
  )
    .addHelpText(
      'after',
      examples(
        'baton agents register-many agents.json',
        'jq -c .agents[] fleet.json | baton agents register-many - --replace --idempotency-key fleet-2026-07',
      ),
    )
    .action((file: string, options: ManyOptions) => registerMany(terminal, file, options));
};

export const addRegistration = (agents: Command, terminal: Terminal): void => {
  addMany(agents, terminal);
  serverOptions(
    profileOptions(
      agents
        .command('register')
        .description('Register an A2A agent; its card is fetched at once.')
        .argument('[id]', 'letters, digits, _ and -; may be in the file')
        .option('--file <file>', 'JSON with the fields of the API; - is stdin; options win over it')
        .option(
          '--card <url>',
          'URL of its agent card, or of the server that has it at the well-known path',
          parse.httpUrl,
        )
        .option('--pool <name>', 'pool to join')
        .option('--heartbeats', 'it sends heartbeats, every 30 s unless --heartbeat-ms says otherwise')
        .option(
          '--warm-up <duration>',
          'it gets no work until `baton agents ready`, at most for this long',
          parse.durationMs,
        )
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
        'baton agents register --file calculator-1.json --weight 2',
      )}\nWithout --card the agent is local: a function in a dispatcher's own process.\n`,
    )
    .action((id: string | undefined, options: RegisterOptions) => register(terminal, id, options));
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
