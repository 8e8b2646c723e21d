import { accepted, StartExecution } from 'baton-client';
import { type Command, Option } from 'commander';
import type { Client } from '../client.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { Ended, EXIT, usageFailure } from '../failure.ts';
import { type InputOptions, inputOf, inputOptions } from '../input-options.ts';
import * as parse from '../parse.ts';
import type { Accepted } from '../perform.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { timeoutOption, type WaitOptions } from '../waiting.ts';
import { followExecution, waitForExecution, watchExecution } from '../workflows/follow-execution.ts';
import { printExecution } from './workflows-read.ts';

type StartOptions = ServerOptions &
  WaitOptions &
  InputOptions & {
    readonly version?: string;
    readonly tag?: readonly string[];
    readonly idempotencyKey?: string;
    readonly wait?: boolean;
    readonly watch?: boolean;
  };

const awaitEnd = async (
  terminal: Terminal,
  client: Client,
  { id, position }: Accepted,
  options: StartOptions,
): Promise<void> => {
  const from = BigInt(position);
  const end = await waitForExecution(terminal, client, id, options, (signal) =>
    followExecution(client, id, { from: from - 1n, endsFrom: from, onEntry: () => {}, signal }),
  );
  await printExecution(terminal, client, id, { json: options.json, atLeast: end.position });
  if (end.type !== 'ExecutionCompleted') throw new Ended(EXIT.failed);
};

const start = async (terminal: Terminal, workflow: string, options: StartOptions): Promise<void> => {
  const { version, tag: tags, idempotencyKey, timeout, wait = false, watch = false } = options;
  if (timeout !== undefined && !wait && !watch) throw usageFailure('--timeout needs --wait or --watch');
  const input = { workflow, version, input: await inputOf(terminal, options), tags };
  await withClient(terminal, options, async (client) => {
    const started = accepted(await client.execute(StartExecution, { input, idempotencyKey }));
    const { id, position, repeated } = started;
    const known = repeated ? '  (already started under this key)' : '';
    if (wait || watch) terminal.err(`${id}${known}\n`); // stdout is for what is waited for
    if (wait) return awaitEnd(terminal, client, started, options);
    if (watch) return watchExecution(terminal, client, id, options);
    print(terminal, options.json, { executionId: id, position, repeated }, () => `${id}${known}\n`);
  });
};

export const addStart = (workflows: Command, terminal: Terminal): void => {
  serverOptions(
    timeoutOption(
      inputOptions(
        workflows
          .command('start')
          .description('Start an execution and print its id.')
          .argument('<name>', 'name of the workflow')
          .option('--version <version>', 'default: the newest that is neither deprecated nor archived'),
        'input of the execution',
      )
        .option('--tag <text>', 'for filters (repeatable)', parse.collect(String))
        .option('--idempotency-key <key>', 'starting again with the same key and input returns the same execution')
        .addOption(new Option('--wait', 'wait until it ends and print it').conflicts('watch'))
        .option('--watch', 'show its progress until it ends'),
    ),
  )
    .addHelpText(
      'after',
      `${examples(
        `baton workflows start order --input '{"sku":"A-1","amount":2}' --watch`,
        'baton workflows start order --version 1.0.0 --input-file order.json --tag urgent --idempotency-key order-4711',
      )}\nWith --wait or --watch, the exit code is 0 when it completed, else 1.\n`,
    )
    .action((name: string, options: StartOptions) => start(terminal, name, options));
  serverOptions(
    timeoutOption(
      workflows
        .command('watch')
        .description('Follow an execution until nothing more happens by itself.')
        .argument('<id>', 'id of the execution'),
    ),
  )
    .addHelpText(
      'after',
      `${examples('baton workflows watch 0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11', 'baton workflows watch 0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11 --json')}
On a terminal: a view that is redrawn, with a line per step, or per level if there are many. Otherwise a line per event, in
JSON with --json. A lost connection resumes where it broke. Exit code 0 when the execution completed, else 1.\n`,
    )
    .action((id: string, options: ServerOptions & WaitOptions) =>
      withClient(terminal, options, (client) => watchExecution(terminal, client, id, options)),
    );
};
