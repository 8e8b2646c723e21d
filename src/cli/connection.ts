import { BatonError } from 'baton-client';
import type { Command } from 'commander';
import { readConfig } from '../platform/config.ts';
import { urlAt } from '../platform/hosts.ts';
import { type Client, type ClientOptions, connect } from './client.ts';
import { failureOf } from './client-failure.ts';
import { EXIT, Failure, unreachable, usageFailure } from './failure.ts';
import { httpUrl } from './parse.ts';
import { findServer } from './server-file.ts';
import type { Terminal } from './terminal.ts';

export type ServerOptions = { readonly url?: string; readonly json?: boolean };

/** Options of every command that talks to a server. */
export const serverOptions = (command: Command): Command =>
  command
    .option(
      '--url <url>',
      'address of the server (default: BATON_URL, else the one running from BATON_DATA_DIR, else http://127.0.0.1:4000)',
      httpUrl,
    )
    .option('--json', 'print exactly one JSON value');

type Place = { readonly url: string; readonly note?: string };

/** Address of the server: named, announced in the data directory, or the default. */
const placeOf = (terminal: Terminal, options: ServerOptions): Place => {
  if (options.url !== undefined) return { url: options.url };
  const named = terminal.env['BATON_URL'];
  if (named !== undefined && named !== '') {
    try {
      return { url: httpUrl(named) };
    } catch (error) {
      throw usageFailure(`BATON_URL=${JSON.stringify(named)} is invalid. ${(error as Error).message}`);
    }
  }
  const config = readConfig(terminal.env);
  const found = findServer(config.dataDir);
  if (found.state === 'running') return { url: found.server.url };
  const url = urlAt(config.host, config.port === 0 ? 4000 : config.port);
  if (found.state === 'none') return { url };
  return { url, note: `the server announced in ${config.dataDir} (process ${found.pid}) no longer runs` };
};

/** Runs `work` with a client, which is closed afterwards. Errors: a `BatonError` of it becomes the `Failure` that the shell is told. */
export const withClient = async <Result>(
  terminal: Terminal,
  options: ServerOptions & ClientOptions,
  work: (client: Client) => Promise<Result>,
): Promise<Result> => {
  const { url, note } = placeOf(terminal, options);
  const client = connect(url, options);
  try {
    return await work(client);
  } catch (error) {
    const failure = error instanceof BatonError ? failureOf(error) : error;
    if (!(failure instanceof Failure) || failure.exitCode !== EXIT.unreachable || note === undefined) throw failure;
    throw unreachable(`${failure.message}; ${note}`, failure.advice ?? '', failure);
  } finally {
    await client.close();
  }
};

export type StoreUrls = { readonly eventStoreUrl: string | undefined; readonly databaseUrl: string | undefined };

/** URLs of the stores: from the environment, else of the server that runs from the data directory. */
export const storeUrls = (terminal: Terminal): StoreUrls => {
  const config = readConfig(terminal.env);
  const found = findServer(config.dataDir);
  const running = found.state === 'running' ? found.server : undefined;
  return {
    eventStoreUrl: config.eventStoreUrl ?? running?.eventStoreUrl,
    databaseUrl: config.databaseUrl ?? running?.databaseUrl,
  };
};

export const storeNotFound = (what: string, variable: string): Failure =>
  unreachable(
    `cannot find ${what}: ${variable} is not set and no server runs from this data directory`,
    `start one with \`npm start\`, or set ${variable}`,
  );
