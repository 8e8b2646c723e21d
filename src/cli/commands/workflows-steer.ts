import {
  CancelExecution,
  DecideStep,
  ForkExecution,
  PauseExecution,
  ResumeExecution,
  RetryExecution,
  SignalExecution,
  SkipStep,
} from 'baton-client';
import { type Command, Option } from 'commander';
import type { Json } from '../../domain/json.ts';
import { COMPENSATION_STRATEGIES, type CompensationStrategy } from '../../domain/workflow/definition.ts';
import { usageFailure } from '../failure.ts';
import { type InputOptions, inputOf, inputOptions } from '../input-options.ts';
import * as parse from '../parse.ts';
import { type KeyOptions, keyOption, steer } from '../perform.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';

const EXECUTION = '0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11';

/** A command that takes the id of an execution. */
export const executionCommand = (workflows: Command, name: string, description: string): Command =>
  workflows.command(name).description(description).argument('<id>', 'id of the execution');

const addPause = (workflows: Command, terminal: Terminal): void => {
  keyOption(
    executionCommand(workflows, 'pause', 'Start nothing new; running attempts continue.').option(
      '--reason <text>',
      'reason to record',
    ),
  )
    .addHelpText('after', examples(`baton workflows pause ${EXECUTION} --reason 'the bank is closed'`))
    .action((executionId: string, { reason, ...options }: KeyOptions & { reason?: string }) => {
      const { idempotencyKey } = options;
      return steer(terminal, options, PauseExecution, { executionId, reason, idempotencyKey }, (id) => `${id} paused`);
    });
  keyOption(executionCommand(workflows, 'resume', 'Resume a paused execution.'))
    .addHelpText('after', examples(`baton workflows resume ${EXECUTION}`))
    .action((executionId: string, options: KeyOptions) => {
      const { idempotencyKey } = options;
      return steer(terminal, options, ResumeExecution, { executionId, idempotencyKey }, (id) => `${id} resumed`);
    });
};

type CancelOptions = KeyOptions & {
  readonly reason?: string;
  readonly compensate?: boolean;
  readonly strategy?: CompensationStrategy;
};

const addCancel = (workflows: Command, terminal: Terminal): void => {
  keyOption(
    executionCommand(workflows, 'cancel', 'Cancel an execution; a second call does not wait for agents.')
      .option('--compensate', 'run compensations; refused once a pivot has completed')
      .addOption(
        new Option('--strategy <name>', "compensation strategy; default: the definition's").choices(
          COMPENSATION_STRATEGIES,
        ),
      )
      .option('--reason <text>', 'reason to record'),
  )
    .addHelpText(
      'after',
      examples(
        `baton workflows cancel ${EXECUTION} --reason 'ordered twice'`,
        `baton workflows cancel ${EXECUTION} --compensate --strategy cascade`,
      ),
    )
    .action((executionId: string, options: CancelOptions) => {
      const { reason, compensate, idempotencyKey } = options;
      if (options.strategy !== undefined && compensate !== true)
        throw usageFailure('--strategy goes with --compensate', 'baton workflows cancel --help');
      const strategy = options.strategy && parse.upperCase(options.strategy);
      const variables = { executionId, reason, compensate, strategy, idempotencyKey };
      const done = compensate === true ? 'cancelled with compensation' : 'cancelled';
      return steer(terminal, options, CancelExecution, variables, (id) => `${id} ${done}`);
    });
};

type RetryOptions = KeyOptions & InputOptions & { readonly step?: string };

const addRetry = (workflows: Command, terminal: Terminal): void => {
  keyOption(
    inputOptions(
      executionCommand(workflows, 'retry', 'Continue a failed execution: run the failed steps again.').option(
        '--step <id>',
        'only this step; default: every step that blocks the execution',
      ),
      'new input of the step',
    ),
  )
    .addHelpText(
      'after',
      examples(
        `baton workflows retry ${EXECUTION}`,
        `baton workflows retry ${EXECUTION} --step charge --input '{"amount":12}'`,
      ),
    )
    .action(async (executionId: string, options: RetryOptions) => {
      const { step, idempotencyKey } = options;
      const input = await inputOf(terminal, options);
      if (input !== undefined && step === undefined)
        throw usageFailure('--input goes with --step', 'baton workflows retry --help');
      const variables = { executionId, step, input, idempotencyKey };
      return steer(terminal, options, RetryExecution, variables, (id) => `${id} continues`);
    });
  keyOption(
    executionCommand(workflows, 'skip', 'Continue without a step that has not completed.')
      .argument('<step>')
      .requiredOption('--reason <text>', 'reason to record'),
  )
    .addHelpText('after', examples(`baton workflows skip ${EXECUTION} notify --reason 'told by phone'`))
    .action((executionId: string, step: string, { reason, ...options }: KeyOptions & { reason: string }) => {
      const variables = { executionId, step, reason, idempotencyKey: options.idempotencyKey };
      return steer(terminal, options, SkipStep, variables, (id) => `${step} of ${id} skipped`);
    });
};

type SignalOptions = KeyOptions & { readonly payload?: Json };

const addSignals = (workflows: Command, terminal: Terminal): void => {
  keyOption(
    executionCommand(workflows, 'signal', 'Deliver an external event to the step that waits for it, now or later.')
      .argument('<name>', 'name of the event')
      .addOption(new Option('--payload <json>', 'output of the step').argParser(parse.json)),
  )
    .addHelpText('after', examples(`baton workflows signal ${EXECUTION} payment.received --payload '{"amount":12}'`))
    .action((executionId: string, name: string, { payload, ...options }: SignalOptions) => {
      const variables = { executionId, name, payload, idempotencyKey: options.idempotencyKey };
      return steer(terminal, options, SignalExecution, variables, (id) => `${name} delivered to ${id}`);
    });
  keyOption(
    executionCommand(workflows, 'decide', 'Answer a step that waits for a decision.')
      .argument('<step>')
      .argument('<option>', 'one of its options; approved or rejected if it has none')
      .option('--comment <text>', 'comment to record'),
  )
    .addHelpText('after', examples(`baton workflows decide ${EXECUTION} approve approved --comment 'as discussed'`))
    .action((executionId: string, step: string, option: string, options: KeyOptions & { comment?: string }) => {
      const { comment, idempotencyKey } = options;
      const variables = { executionId, step, option, comment, idempotencyKey };
      return steer(terminal, options, DecideStep, variables, (id) => `${step} of ${id}: ${option}`);
    });
};

type ForkOptions = KeyOptions &
  InputOptions & { readonly revision?: number; readonly version?: string; readonly rerun?: readonly string[] };

const MAX_REVISION = 2_147_483_647;

const addFork = (workflows: Command, terminal: Terminal): void => {
  keyOption(
    inputOptions(
      executionCommand(workflows, 'fork', 'Start a new execution from a past state of another, and print its id.')
        .option(
          '--revision <n>',
          'revision of the last event to include; default: the latest',
          parse.integer(0, MAX_REVISION),
        )
        .option('--version <version>', 'version of the workflow; default: the same'),
      'input of the new execution',
    ).option(
      '--rerun <step>',
      'run this completed step again, and all that depends on it (repeatable)',
      parse.collect(String),
    ),
  )
    .addHelpText(
      'after',
      `${examples(`baton workflows fork ${EXECUTION} --revision 12`, `baton workflows fork ${EXECUTION} --version 1.1.0 --rerun calculate`)}
Steps completed by then are reused, the rest runs again. \`replay\` shows the revisions.\n`,
    )
    .action(async (executionId: string, options: ForkOptions) => {
      const { revision, version, rerun, idempotencyKey } = options;
      const input = { revision, version, rerun, input: await inputOf(terminal, options) };
      return steer(terminal, options, ForkExecution, { executionId, input, idempotencyKey }, (id) => id);
    });
};

export const addSteering = (workflows: Command, terminal: Terminal): void => {
  addPause(workflows, terminal);
  addCancel(workflows, terminal);
  addRetry(workflows, terminal);
  addSignals(workflows, terminal);
  addFork(workflows, terminal);
};
