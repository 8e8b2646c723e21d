import { type Command, Option } from 'commander';
import { COMPENSATION_STRATEGIES } from '../../domain/workflow/definition.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { usageFailure } from '../failure.ts';
import { given } from '../given.ts';
import * as parse from '../parse.ts';
import { type Accepted, acceptedOf, payloadOf } from '../payload.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { inputOf } from '../task-file.ts';
import type { Terminal } from '../terminal.ts';

export type KeyOptions = ServerOptions & { readonly idempotencyKey?: string };

/** An argument of a mutation and its type. */
type Arguments = Readonly<Record<string, string>>;

const documentOf = (mutation: string, types: Arguments): string => {
  const variables = Object.entries({ executionId: 'ID!', ...types, idempotencyKey: 'String' });
  return `mutation (${variables.map(([name, type]) => `$${name}: ${type}`).join(', ')}) {
    payload: ${mutation}(${variables.map(([name]) => `${name}: $${name}`).join(', ')}) ${payloadOf('Execution')} }`;
};

/** Runs a mutation of one execution. Errors: `Failure` with the reason when it is refused. */
export const steer =
  (mutation: string, types: Arguments = {}) =>
  async (
    terminal: Terminal,
    executionId: string,
    options: KeyOptions,
    {
      variables = {},
      done,
    }: { readonly variables?: Readonly<Record<string, unknown>>; readonly done: (id: string) => string },
  ): Promise<void> => {
    const { payload } = await withClient(terminal, options, (client) =>
      client.execute<{ payload: Accepted }>(documentOf(mutation, types), {
        executionId,
        ...variables,
        idempotencyKey: options.idempotencyKey,
      }),
    );
    const { id, position, repeated } = acceptedOf(payload);
    print(terminal, options.json, { executionId: id, position, repeated }, () => `${done(id)}\n`);
  };

const EXECUTION = '0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11';

/** A command that takes the id of an execution, and the options that all of them have. */
export const executionCommand = (workflows: Command, name: string, description: string): Command =>
  workflows.command(name).description(description).argument('<id>', 'of an execution');

export const keyOption = (command: Command): Command =>
  serverOptions(command.option('--idempotency-key <key>', 'the same key gives the same outcome'));

const addPause = (workflows: Command, terminal: Terminal): void => {
  const pause = steer('pauseExecution', { reason: 'String' });
  keyOption(
    executionCommand(workflows, 'pause', 'Start nothing new; what agents hold goes on.').option(
      '--reason <text>',
      'recorded with it',
    ),
  )
    .addHelpText('after', examples(`baton workflows pause ${EXECUTION} --reason 'the bank is closed'`))
    .action((id: string, options: KeyOptions & { reason?: string }) =>
      pause(terminal, id, options, { variables: { reason: options.reason }, done: (one) => `${one} paused` }),
    );
  const resume = steer('resumeExecution');
  keyOption(executionCommand(workflows, 'resume', 'Let a paused execution go on.'))
    .addHelpText('after', examples(`baton workflows resume ${EXECUTION}`))
    .action((id: string, options: KeyOptions) => resume(terminal, id, options, { done: (one) => `${one} resumed` }));
};

type CancelOptions = KeyOptions & {
  readonly reason?: string;
  readonly compensate?: boolean;
  readonly strategy?: string;
};

const addCancel = (workflows: Command, terminal: Terminal): void => {
  const cancel = steer('cancelExecution', {
    reason: 'String',
    compensate: 'Boolean',
    strategy: 'CompensationStrategy',
  });
  keyOption(
    executionCommand(workflows, 'cancel', 'End an execution; a second time: without waiting for agents.')
      .option('--compensate', 'undo what was done; refused once a pivot has completed')
      .addOption(
        new Option('--strategy <name>', "of the undoing; default: the definition's").choices(COMPENSATION_STRATEGIES),
      )
      .option('--reason <text>', 'recorded with it'),
  )
    .addHelpText(
      'after',
      examples(
        `baton workflows cancel ${EXECUTION} --reason 'ordered twice'`,
        `baton workflows cancel ${EXECUTION} --compensate --strategy cascade`,
      ),
    )
    .action((id: string, options: CancelOptions) => {
      if (options.strategy !== undefined && options.compensate !== true)
        throw usageFailure('--strategy goes with --compensate', 'baton workflows cancel --help');
      return cancel(terminal, id, options, {
        variables: {
          reason: options.reason,
          compensate: options.compensate,
          strategy: options.strategy?.toUpperCase(),
        },
        done: (one) => `${one} ${options.compensate === true ? 'is being undone' : 'cancelled'}`,
      });
    });
};

type RetryOptions = KeyOptions & { readonly step?: string; readonly input?: unknown; readonly inputFile?: string };

const addRetry = (workflows: Command, terminal: Terminal): void => {
  const retry = steer('retryExecution', { step: 'String', input: 'JSON' });
  keyOption(
    executionCommand(workflows, 'retry', 'Let a failed execution go on: what failed is done again.')
      .option('--step <id>', 'only this one; default: every step that stands in the way')
      .addOption(
        new Option('--input <json>', 'what the step gets this time').argParser(parse.json).conflicts('inputFile'),
      )
      .option('--input-file <file>', 'the same from a file; - is stdin'),
  )
    .addHelpText(
      'after',
      examples(
        `baton workflows retry ${EXECUTION}`,
        `baton workflows retry ${EXECUTION} --step charge --input '{"amount":12}'`,
      ),
    )
    .action(async (id: string, options: RetryOptions) => {
      const input = await inputOf(terminal, options);
      if (input !== undefined && options.step === undefined)
        throw usageFailure('--input goes with --step', 'baton workflows retry --help');
      return retry(terminal, id, options, {
        variables: given({ step: options.step, input }) ?? {},
        done: (one) => `${one} goes on`,
      });
    });
  const skip = steer('skipStep', { step: 'String!', reason: 'String!' });
  keyOption(
    executionCommand(workflows, 'skip', 'Go on without a step that has not completed.')
      .argument('<step>')
      .requiredOption('--reason <text>', 'recorded with it'),
  )
    .addHelpText('after', examples(`baton workflows skip ${EXECUTION} notify --reason 'told by phone'`))
    .action((id: string, step: string, options: KeyOptions & { reason: string }) =>
      skip(terminal, id, options, {
        variables: { step, reason: options.reason },
        done: (one) => `${step} of ${one} skipped`,
      }),
    );
};

type SignalOptions = KeyOptions & { readonly payload?: unknown };

const addSignals = (workflows: Command, terminal: Terminal): void => {
  const signal = steer('signalExecution', { name: 'String!', payload: 'JSON' });
  keyOption(
    executionCommand(workflows, 'signal', 'Hand an event from outside to the step that waits for it, now or later.')
      .argument('<name>', 'of the event')
      .addOption(new Option('--payload <json>', 'becomes the output of the step').argParser(parse.json)),
  )
    .addHelpText('after', examples(`baton workflows signal ${EXECUTION} payment.received --payload '{"amount":12}'`))
    .action((id: string, name: string, options: SignalOptions) =>
      signal(terminal, id, options, {
        variables: given({ name, payload: options.payload }) ?? {},
        done: (one) => `${name} handed to ${one}`,
      }),
    );
  const decide = steer('decideStep', { step: 'String!', option: 'String!', comment: 'String' });
  keyOption(
    executionCommand(workflows, 'decide', 'Decide for a step that waits for a person.')
      .argument('<step>')
      .argument('<option>', 'one of its options; where it has none, approved or rejected')
      .option('--comment <text>', 'recorded with it'),
  )
    .addHelpText('after', examples(`baton workflows decide ${EXECUTION} approve approved --comment 'as discussed'`))
    .action((id: string, step: string, option: string, options: KeyOptions & { comment?: string }) =>
      decide(terminal, id, options, {
        variables: { step, option, comment: options.comment },
        done: (one) => `${step} of ${one}: ${option}`,
      }),
    );
};

type ForkOptions = KeyOptions & {
  readonly revision?: number;
  readonly version?: string;
  readonly input?: unknown;
  readonly inputFile?: string;
  readonly rerun?: readonly string[];
};

const MAX_REVISION = 2_147_483_647;

const addFork = (workflows: Command, terminal: Terminal): void => {
  const fork = steer('forkExecution', { input: 'ForkExecutionInput' });
  keyOption(
    executionCommand(workflows, 'fork', 'Start a new execution from a past moment of another, and print its id.')
      .option(
        '--revision <n>',
        'the last event of its stream that counts; default: the present',
        parse.integer(0, MAX_REVISION),
      )
      .option('--version <version>', 'of the workflow; default: the one it runs under')
      .addOption(new Option('--input <json>', 'of the new execution').argParser(parse.json).conflicts('inputFile'))
      .option('--input-file <file>', 'the same from a file; - is stdin')
      .option(
        '--rerun <step>',
        'do it again although it had completed, and all that depends on it (repeatable)',
        parse.collect(String),
      ),
  )
    .addHelpText(
      'after',
      `${examples(`baton workflows fork ${EXECUTION} --revision 12`, `baton workflows fork ${EXECUTION} --version 1.1.0 --rerun calculate`)}
What had ended well by then is taken over, the rest is done anew. \`replay\` shows the revisions.\n`,
    )
    .action(async (id: string, options: ForkOptions) => {
      const { revision, version, rerun } = options;
      const input = given({ revision, version, rerun, input: await inputOf(terminal, options) });
      return fork(terminal, id, options, { variables: { input }, done: (one) => one });
    });
};

export const addSteering = (workflows: Command, terminal: Terminal): void => {
  addPause(workflows, terminal);
  addCancel(workflows, terminal);
  addRetry(workflows, terminal);
  addSignals(workflows, terminal);
  addFork(workflows, terminal);
};
