import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Command, type CommanderError, Option } from 'commander';
import { EXIT, Failure, usageFailure } from '../../cli/failure.ts';
import { ownStores, STORES, type Stores } from '../../cli/own-stores.ts';
import { integer, oneOf } from '../../cli/parse.ts';
import { print } from '../../cli/print.ts';
import { StopRequest } from '../../cli/stop-request.ts';
import { systemTerminal } from '../../cli/terminal.ts';
import { AppError, ConfigError } from '../../platform/errors.ts';
import { STEPS, type Step } from './steps.ts';

const MOST_SUPPLIERS = 100_000;
const MAX_SEED = 4_294_967_295;

type Options = {
  readonly failAt?: Step;
  readonly suppliers: number;
  readonly seed: number;
  readonly out?: string;
  readonly stores: Stores;
  readonly json?: boolean;
};

const terminal = systemTerminal();

/** Not `recursive`: where no folder can be created, as in /proc, Node then tries forever. */
const makeFolder = (folder: string): void => {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder);
};

/** Errors: throws a usage failure for a folder that cannot be written to. */
const folderOf = (out: string): string => {
  const folder = resolve(out);
  try {
    makeFolder(folder);
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw usageFailure(`option '--out <dir>': ${(error as Error).message}`);
  }
  if (!statSync(folder).isDirectory()) throw usageFailure(`option '--out <dir>': ${folder} is not a folder`);
  return folder;
};

const report = async ({ json, out, failAt, stores, ...numbers }: Options): Promise<number> => {
  if (out === '') throw usageFailure("option '--out <dir>' needs the name of a folder");
  const chosen = out === undefined ? undefined : folderOf(out);
  const say = (line: string): void => terminal.err(`${line}\n`);
  const own = stores === 'env' ? ownStores(terminal.env) : undefined;
  if (own) say(`writes to ${own.hosts}`);
  const [{ configOf, defaultOut, runReport }, { accountText, isAsExpected, summarise }] = await Promise.all([
    import('./run.ts'),
    import('./account.ts'),
  ]);
  const config = configOf(terminal.env, own?.urls);
  const options = { ...numbers, failAt, out: chosen ?? folderOf(defaultOut(config)) };
  const stop = new StopRequest();
  try {
    const run = await runReport(config, options, { say, signal: stop.signal });
    const summary = summarise(run);
    print(terminal, json, summary, () => `\n${accountText(run, summary)}`);
    return isAsExpected(run, summary) ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (!stop.requested) throw error;
    say('interrupted; a running execution continues with the next run');
    return EXIT.interrupted;
  }
};

let exitCode: number = EXIT.ok;

const program = new Command('npm run -s example:csrd --')
  .description('Creates a sustainability report with a saga of five steps, five A2A agents and embedded servers.')
  .addOption(
    new Option('--fail-at <step>', `make this step fail permanently: ${STEPS.join(', ')}`).argParser(oneOf(STEPS)),
  )
  .addOption(new Option('--suppliers <n>', 'number of suppliers').argParser(integer(1, MOST_SUPPLIERS)).default(100))
  .addOption(
    new Option('--seed <n>', 'the same seed gives the same suppliers').argParser(integer(0, MAX_SEED)).default(42),
  )
  .option('--out <dir>', 'folder for the files (default: csrd-report-files in the data folder)')
  .addOption(
    new Option('--stores <which>', 'env: the servers of EVENTSTORE_URL, DATABASE_URL and REDIS_URL; it writes to them')
      .argParser(oneOf(STORES))
      .default('embedded'),
  )
  .option('--json', 'print exactly one JSON object on stdout')
  .addHelpText(
    'after',
    `
Examples:
  $ npm run -s example:csrd
  $ npm run -s example:csrd -- --fail-at publish
  $ npm run -s example:csrd -- --suppliers 500 --seed 7 --out report --json

Starts all the servers it needs, with data in <BATON_DATA_DIR>/csrd-report. It ignores EVENTSTORE_URL, DATABASE_URL and REDIS_URL unless
--stores env is given; then it prints the hosts first.
The exit code is 1 unless the saga went as asked and the log verifies.
`,
  )
  .configureOutput({ outputError: () => {} }) // all failures are reported below, in one format
  .exitOverride((error: CommanderError) => {
    if (error.exitCode === 0) throw error;
    throw usageFailure(error.message.replace(/^error: /, ''), '(see --help)');
  })
  .action(async (options: Options) => {
    exitCode = await report(options);
  });

const failureOf = (error: unknown): Failure => {
  if (error instanceof Failure) return error;
  if (error instanceof ConfigError) return new Failure(EXIT.usage, error.message, { code: 'BAD_CONFIGURATION' });
  if (error instanceof AppError) return new Failure(EXIT.failed, error.message, { code: error.code });
  // A bug: a report needs the stack.
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Failure(EXIT.failed, text, { code: 'INTERNAL_ERROR' });
};

try {
  await program.parseAsync();
} catch (error) {
  const isHelp = (error as Partial<CommanderError>).exitCode === EXIT.ok;
  if (!isHelp) {
    const { exitCode: code, message, advice } = failureOf(error);
    terminal.err(`error: ${message}\n${advice === undefined ? '' : `${advice}\n`}`);
    exitCode = code;
  }
}
// Wait until stdout is flushed.
await new Promise((done) => process.stdout.write('', done));
process.exit(exitCode);
