import { usageFailure } from './failure.ts';

const VARIABLES = { EVENTSTORE_URL: 'event store', DATABASE_URL: 'Postgres', REDIS_URL: 'Redis' } as const;

export const STORES = ['embedded', 'env'] as const;
/** `env`: the servers that the environment names. Asked for by an option, never by an inherited variable alone. */
export type Stores = (typeof STORES)[number];

export type OwnStores = {
  readonly urls: Readonly<Record<keyof typeof VARIABLES, string>>;
  /** Where they are, one line, without credentials. */
  readonly hosts: string;
};

const hostsOf = (url: string): string => /^[a-z+]+:\/\/(?:[^/?]*@)?([^/?@]*)/.exec(url)?.[1] ?? '';

/**
 * The stores that the environment names, for programs that otherwise start their own.
 *
 * Errors: throws a usage failure that names the missing variables.
 */
export const ownStores = (env: Readonly<Record<string, string | undefined>>): OwnStores => {
  const names = Object.keys(VARIABLES) as (keyof typeof VARIABLES)[];
  const missing = names.filter((name) => !env[name]);
  if (missing.length > 0) throw usageFailure(`--stores env needs ${missing.join(' and ')}`);
  const urls = Object.fromEntries(names.map((name) => [name, env[name]])) as OwnStores['urls'];
  return { urls, hosts: names.map((name) => `${VARIABLES[name]} ${hostsOf(urls[name])}`).join(', ') };
};
