import type { Command } from 'commander';
import type { Baton } from '../../baton.ts';
import { type Config, exposureOf, readConfig, refuseExposed, unknownSetting } from '../../platform/config.ts';
import { ConfigError } from '../../platform/errors.ts';
import { createLogger, type Logger } from '../../platform/logger.ts';
import { Ended, EXIT } from '../failure.ts';
import { facts } from '../format.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { announceServer } from '../server-file.ts';
import { StopRequest } from '../stop-request.ts';
import type { Terminal } from '../terminal.ts';

/** Flags and the settings they override. */
const OVERRIDES = {
  roles: 'BATON_ROLES',
  port: 'BATON_PORT',
  host: 'BATON_HOST',
  dataDir: 'BATON_DATA_DIR',
  pools: 'BATON_POOLS',
  logLevel: 'BATON_LOG_LEVEL',
  logFormat: 'BATON_LOG_FORMAT',
} as const;

type ServeOptions = { readonly [Name in keyof typeof OVERRIDES]?: string } & { readonly json?: boolean };

const flagOf = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** The configuration, flags applied. Its errors name the flag that a value came from. */
const configOf = (env: Terminal['env'], options: ServeOptions): Config => {
  const flags = Object.entries(OVERRIDES).flatMap(([name, variable]) => {
    const value = options[name as keyof typeof OVERRIDES];
    return value === undefined ? [] : [{ flag: flagOf(name), variable, value }];
  });
  const empty = flags.filter(({ value }) => value === '').map(({ flag }) => `${flag}="": is empty`);
  if (empty.length > 0) throw new ConfigError(empty);
  try {
    const config = readConfig({ ...env, ...Object.fromEntries(flags.map(({ variable, value }) => [variable, value])) });
    refuseExposed(config);
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(
      error.issues.map((issue) => {
        const source = flags.find(({ variable }) => issue.startsWith(`${variable}=`));
        return source === undefined ? issue : issue.replace(`${source.variable}=`, `${source.flag}=`);
      }),
    );
  }
};

const withoutPassword = (url: string): string => url.replace(/\/\/[^@/]*@/, '//***@');

const announce = (config: Config, baton: Baton, logger: Logger): (() => void) => {
  if (baton.url === undefined) return () => {};
  const { eventStoreUrl, databaseUrl, redisUrl } = baton.urls;
  try {
    return announceServer(config.dataDir, { url: baton.url, eventStoreUrl, databaseUrl, redisUrl });
  } catch (error) {
    // In a container with a read-only root, for example. Commands then need --url or BATON_URL.
    logger.warn({ err: error }, `server.json could not be written to ${config.dataDir}`);
    return () => {};
  }
};

const report = (config: Config, { url, urls, processes }: Baton) => ({
  url: url ?? null,
  graphql: url === undefined ? null : `${url}/graphql`,
  queues: url === undefined ? null : `${url}/queues`,
  metrics: url === undefined ? null : `${url}/metrics`,
  /** The address beyond loopback where it serves everyone. */
  openTo: exposureOf(config) === 'accepted' ? config.host : null,
  roles: config.roles,
  eventStore: withoutPassword(urls.eventStoreUrl),
  database: withoutPassword(urls.databaseUrl),
  redis: withoutPassword(urls.redisUrl),
  pid: process.pid,
  processes,
});

const asText = ({ roles, processes, url, pid, openTo, ...urls }: ReturnType<typeof report>): string => {
  const pidOf = new Map(processes.map(({ name, pid }) => [name, pid]));
  const embedded = (text: string, name: string): string =>
    pidOf.has(name) ? `${text}  (embedded, process ${pidOf.get(name)})` : text;
  return `Baton is ready (process ${pid}). Ctrl-C stops it.\n${facts([
    ['GraphQL', urls.graphql ?? undefined],
    ['queues', urls.queues ?? undefined],
    ['metrics', urls.metrics ?? undefined],
    ['access', openTo === null ? undefined : `everyone who reaches ${openTo}: there is no sign-in (BATON_INSECURE)`],
    ['roles', roles.join(', ')],
    ['event store', embedded(urls.eventStore, 'eventstore')],
    ['Postgres', embedded(urls.database, 'postgres')],
    ['Redis', embedded(urls.redis, 'redis')],
  ])}`;
};

const warnUnknown = (terminal: Terminal, { unknownVariables }: Config): void => {
  for (const name of unknownVariables) terminal.err(`warning: ${unknownSetting(name)}\n`);
};

/** More than a stop takes. */
const CRASH_STOP_MS = 15_000;

/**
 * An uncaught error is a bug in Baton, and after it the state of the process is unknown: it is logged once, and the server stops
 * in order. Only this command listens; a program that embeds Baton decides for itself.
 */
const stopAfterCrash = (stop: StopRequest, { graceMs }: Config, logger: Logger): void => {
  process.on('uncaughtException', (error, origin) => {
    if (stop.crashed) return logger.debug({ err: error, origin }, 'another uncaught error');
    logger.fatal({ err: error, origin }, 'uncaught error: a bug in Baton; stopping');
    stop.crash();
    setTimeout(() => process.exit(EXIT.failed), graceMs + CRASH_STOP_MS).unref();
  });
};

const serve = async (terminal: Terminal, options: ServeOptions): Promise<void> => {
  const config = configOf(terminal.env, options);
  warnUnknown(terminal, config);
  const logger = createLogger(config.logLevel, config.logFormat);
  const stop = new StopRequest();
  stopAfterCrash(stop, config, logger);
  const { startBaton } = await import('../../baton.ts'); // imported here so that other commands start without the server
  const baton = await startBaton(config, { logger });
  const retract = announce(config, baton, logger);
  try {
    if (!stop.requested) {
      const facts = report(config, baton);
      print(terminal, options.json, facts, () => asText(facts));
    }
    const reason = await stop.wait();
    logger.info({ reason }, 'stopping');
  } finally {
    retract();
    await baton.stop();
  }
  if (options.json !== true) terminal.out('Baton has stopped.\n');
  if (stop.crashed) throw new Ended(EXIT.failed);
};

export const addServe = (program: Command, terminal: Terminal): void => {
  program
    .command('serve')
    .description('Run the server. Starts an embedded store wherever no URL is set.')
    .option('--roles <list>', 'any of api,assigner,dispatcher,projector,processes (BATON_ROLES)')
    .option('--port <n>', 'port to listen on; 0 picks a free one (BATON_PORT)')
    .option('--host <address>', 'address to listen on (BATON_HOST)')
    .option('--data-dir <path>', 'folder of the embedded stores (BATON_DATA_DIR)')
    .option('--pools <list>', 'serve only these pools; default: all that are in use (BATON_POOLS)')
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent (BATON_LOG_LEVEL)')
    .option('--log-format <format>', 'json, text, or auto: text on a terminal, JSON elsewhere (BATON_LOG_FORMAT)')
    .option('--json', 'print one line of JSON when ready')
    .addHelpText(
      'after',
      `${examples(
        'baton serve',
        'baton serve --port 0 --json',
        'EVENTSTORE_URL=esdb://… DATABASE_URL=postgres://… REDIS_URL=redis://… baton serve --roles dispatcher',
      )}
Logs go to stderr. Flags override the environment; docs/guides/operations.md lists every variable.
SIGTERM or Ctrl-C finishes or hands back open work; a second one ends at once. After an uncaught error (a bug) it stops in the
same way, with exit code 1.
`,
    )
    .action((options: ServeOptions) => serve(terminal, options));
};
