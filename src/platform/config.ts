import { z } from 'zod';
import { closestName } from '../domain/did-you-mean.ts';
import { ConfigError } from './errors.ts';
import { listensOnLoopback } from './hosts.ts';

export const ROLES = ['api', 'assigner', 'dispatcher', 'projector', 'processes'] as const;
export type Role = (typeof ROLES)[number];

const url = (schemes: readonly string[]) =>
  z.string().refine((value) => schemes.some((scheme) => value.startsWith(`${scheme}://`)), {
    message: `must start with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
  });

const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const flag = z.enum(['true', 'false', '1', '0']).transform((value) => value === 'true' || value === '1');

const roles = z
  .string()
  .transform((value) => value.split(',').map((part) => part.trim()))
  .pipe(z.array(z.enum(ROLES)).min(1));

const isOrigin = (value: string): boolean => value === '*' || (URL.canParse(value) && new URL(value).origin === value);

const origins = z
  .string()
  .transform((value) => value.split(',').map((part) => part.trim()))
  .pipe(z.array(z.string().refine(isOrigin, 'must be origins such as https://app.example.com, or *')));

/**
 * Every setting of the server: the name, limits and default of each environment variable are declared here only.
 * Where EVENTSTORE_URL, DATABASE_URL or REDIS_URL is not set, Baton starts an embedded server for that store.
 */
const Environment = z.object({
  EVENTSTORE_URL: url(['esdb', 'esdb+discover', 'kurrentdb', 'kurrentdb+discover']).optional(),
  DATABASE_URL: url(['postgres', 'postgresql']).optional(),
  REDIS_URL: url(['redis', 'rediss']).optional(),
  BATON_DATA_DIR: z.string().min(1).default('.baton'),
  BATON_HOST: z.string().min(1).default('127.0.0.1'),
  BATON_INSECURE: flag.default(false),
  BATON_PORT: integer(0, 65_535).default(4000),
  BATON_PUBLIC_URL: url(['http', 'https']).optional(),
  BATON_ROLES: roles.default([...ROLES]),
  BATON_POOLS: z
    .string()
    .transform((value) => value.split(',').map((part) => part.trim()))
    .pipe(z.array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_]{0,63}$/)).min(1))
    .optional(),
  BATON_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  BATON_LOG_FORMAT: z.enum(['auto', 'json', 'text']).default('auto'),
  BATON_DISPATCH_CONCURRENCY: integer(1, 10_000).default(100),
  BATON_MAX_WAITING: integer(1, 10_000_000).default(50_000),
  BATON_UNREACHABLE_MS: integer(1_000, 86_400_000).default(600_000),
  BATON_LEASE_MS: integer(500, 600_000).default(5_000),
  BATON_JOB_LOCK_MS: integer(1_000, 600_000).default(15_000),
  BATON_GRACE_MS: integer(0, 600_000).default(2_500),
  BATON_PG_POOL: integer(1, 1_000).default(10),
  BATON_GRAPHIQL: flag.default(true),
  BATON_QUEUES_WRITABLE: flag.default(false),
  BATON_CORS_ORIGINS: origins.default([]),
  BATON_CORS_CREDENTIALS: flag.default(false),
  BATON_ALLOW_PRIVATE_AGENTS: flag.default(false),
  BATON_CARD_KEYS: z.string().min(1).optional(),
  BATON_CARD_SIGNATURES: z.enum(['optional', 'required']).default('optional'),
  BATON_ALLOW_INSTALL: flag.default(true),
});

const Checked = Environment.refine((env) => !env.BATON_CORS_CREDENTIALS || !env.BATON_CORS_ORIGINS.includes('*'), {
  path: ['BATON_CORS_CREDENTIALS'],
  message: 'credentials cannot go to every site: name the origins in BATON_CORS_ORIGINS instead of *',
}).refine((env) => env.BATON_CARD_SIGNATURES === 'optional' || env.BATON_CARD_KEYS !== undefined, {
  path: ['BATON_CARD_SIGNATURES'],
  message: 'needs the keys that may sign, in the file that BATON_CARD_KEYS names',
});

export type Config = {
  readonly eventStoreUrl: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  /** Where the embedded servers keep their data. */
  readonly dataDir: string;
  readonly host: string;
  /** Whether `host` may be beyond loopback: see `exposureOf`. */
  readonly insecure: boolean;
  /** 0 asks the system for a free port. */
  readonly port: number;
  readonly publicUrl: string | undefined;
  readonly roles: readonly Role[];
  /** Pools that this process may lead and call agents for; undefined: all that are in use. */
  readonly pools: readonly string[] | undefined;
  readonly logLevel: string;
  /** `auto`: text on a terminal, JSON elsewhere. */
  readonly logFormat: 'auto' | 'json' | 'text';
  /** Agent calls in flight at once in this dispatcher process. */
  readonly dispatchConcurrency: number;
  /** Tasks of a pool that wait for an agent; before there are so many, new ones are refused, the least urgent first. */
  readonly maxWaiting: number;
  /** For how long a task without a deadline goes on while none of its attempts reaches an agent. */
  readonly unreachableMs: number;
  /** Another process may take over a lease (pool, projection) that was not renewed for this long. */
  readonly leaseMs: number;
  /** A dispatcher that did not renew its job locks for this long counts as dead: its jobs go to another one. */
  readonly jobLockMs: number;
  /** How long work in flight may take to finish after SIGTERM. */
  readonly graceMs: number;
  readonly pgPoolSize: number;
  readonly graphiql: boolean;
  readonly queuesWritable: boolean;
  /** Sites whose pages may use the API; `*` is every site. */
  readonly corsOrigins: readonly string[];
  /** Whether those pages may send cookies and other credentials that the browser keeps. */
  readonly corsCredentials: boolean;
  /** Whether agents may be on loopback and in private ranges whatever `host` is. */
  readonly allowPrivateAgents: boolean;
  /** A file with the public keys that may sign agent cards: a JSON Web Key Set. */
  readonly cardKeys: string | undefined;
  /** `required`: an agent whose card none of them has signed cannot register. */
  readonly cardSignatures: 'optional' | 'required';
  /** Whether the embedded default may install Redis with the machine's package manager. */
  readonly allowInstall: boolean;
  /** BATON_* variables that no setting has: most likely typos. They change nothing; see `unknownSetting`. */
  readonly unknownVariables: readonly string[];
};

const PREFIX = 'BATON_';
/** BATON_URL is read by the command line, not by the server. */
const SETTINGS: readonly string[] = [...Object.keys(Environment.shape), 'BATON_URL'];

const withoutPrefix = (name: string): string => (name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name);

/**
 * What to tell the user about a variable of `unknownVariables`. The shared prefix does not count, or every short name would be close to
 * every other.
 */
export const unknownSetting = (name: string): string => {
  const closest = closestName(withoutPrefix(name), SETTINGS.map(withoutPrefix));
  const meant = SETTINGS.find((setting) => withoutPrefix(setting) === closest);
  return `unknown setting ${name}${meant === undefined ? '' : ` (did you mean ${meant}?)`}`;
};

const shown = (name: string, value: string | undefined): string =>
  value === undefined
    ? '(not set)'
    : name.endsWith('_URL')
      ? JSON.stringify(value.replace(/\/\/[^@/]*@/, '//***@'))
      : JSON.stringify(value);

/**
 * Reads and checks the configuration, once, at start.
 *
 * Errors: throws `ConfigError`, which lists all bad variables.
 */
export const readConfig = (env: Readonly<Record<string, string | undefined>> = process.env): Config => {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = Checked.safeParse(present);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      return `${name}=${shown(name, present[name])}: ${issue.message}`;
    });
    throw new ConfigError([...new Set(issues)]);
  }
  const value = parsed.data;
  return Object.freeze({
    eventStoreUrl: value.EVENTSTORE_URL,
    databaseUrl: value.DATABASE_URL,
    redisUrl: value.REDIS_URL,
    dataDir: value.BATON_DATA_DIR,
    host: value.BATON_HOST,
    insecure: value.BATON_INSECURE,
    port: value.BATON_PORT,
    publicUrl: value.BATON_PUBLIC_URL,
    roles: value.BATON_ROLES,
    pools: value.BATON_POOLS,
    logLevel: value.BATON_LOG_LEVEL,
    logFormat: value.BATON_LOG_FORMAT,
    dispatchConcurrency: value.BATON_DISPATCH_CONCURRENCY,
    maxWaiting: value.BATON_MAX_WAITING,
    unreachableMs: value.BATON_UNREACHABLE_MS,
    leaseMs: value.BATON_LEASE_MS,
    jobLockMs: value.BATON_JOB_LOCK_MS,
    graceMs: value.BATON_GRACE_MS,
    pgPoolSize: value.BATON_PG_POOL,
    graphiql: value.BATON_GRAPHIQL,
    queuesWritable: value.BATON_QUEUES_WRITABLE,
    corsOrigins: value.BATON_CORS_ORIGINS,
    corsCredentials: value.BATON_CORS_CREDENTIALS,
    allowPrivateAgents: value.BATON_ALLOW_PRIVATE_AGENTS,
    cardKeys: value.BATON_CARD_KEYS,
    cardSignatures: value.BATON_CARD_SIGNATURES,
    allowInstall: value.BATON_ALLOW_INSTALL,
    unknownVariables: Object.keys(present).filter((name) => name.startsWith(PREFIX) && !SETTINGS.includes(name)),
  });
};

/**
 * Nobody signs in to the API: whoever reaches it may do everything. `refused`: it would listen beyond loopback, and no one has asked for
 * that.
 */
export const exposureOf = ({ host, insecure, roles }: Config): 'none' | 'accepted' | 'refused' => {
  if (!roles.includes('api') || listensOnLoopback(host)) return 'none';
  return insecure ? 'accepted' : 'refused';
};

/** Errors: throws `ConfigError` for a server that would be exposed without `BATON_INSECURE`. */
export const refuseExposed = (config: Config): void => {
  if (exposureOf(config) !== 'refused') return;
  throw new ConfigError([
    `BATON_HOST=${shown('BATON_HOST', config.host)}: is not on loopback, and there is no sign-in: whoever reaches the server could read everything and call agents. ` +
      'Keep 127.0.0.1, or set BATON_INSECURE=1 where the network keeps others out',
  ]);
};
