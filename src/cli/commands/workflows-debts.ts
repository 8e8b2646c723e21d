import {
  type DebtRowFragment,
  HandOverCompensation,
  ListCompensationDebts,
  RetryCompensation,
  SkipCompensation,
} from 'baton-client';
import type { Command } from 'commander';
import { COMPENSATION_STATES, type CompensationState } from '../../domain/execution/compensation-state.ts';
import { type ServerOptions, serverOptions } from '../connection.ts';
import { oneLine, status } from '../format.ts';
import { type InputOptions, inputOf, inputOptions } from '../input-options.ts';
import { type ListOptions, type ListView, listOptions, showList } from '../list.ts';
import * as parse from '../parse.ts';
import { type KeyOptions, keyOption, steer } from '../perform.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { errorText } from '../workflows/execution.ts';
import { executionCommand } from './workflows-steer.ts';

const MAX_ERROR = 80;

const DEBTS: ListView<DebtRowFragment> = {
  word: 'debts',
  columns: [
    { title: 'EXECUTION' },
    { title: 'WORKFLOW' },
    { title: 'COMPENSATES' },
    { title: 'STATUS' },
    { title: 'WITH' },
    { title: 'PARKED' },
    { title: 'ERROR' },
  ],
  rowOf: (debt, colour) => [
    debt.executionId,
    debt.workflow,
    debt.unit,
    status(debt.status.toLowerCase(), colour),
    oneLine(debt.handedOverTo ?? '', 40),
    debt.parkedAt ?? '',
    debt.error === null ? '' : oneLine(errorText(debt.error), MAX_ERROR),
  ],
};

type ListFilter = ServerOptions &
  ListOptions & {
    readonly status?: readonly CompensationState[];
    readonly workflow?: string;
    readonly execution?: string;
    readonly with?: string;
    readonly errorCode?: string;
  };

const list = (terminal: Terminal, options: ListFilter): Promise<void> => {
  const filter = {
    statuses: options.status?.map(parse.upperCase),
    workflow: options.workflow,
    executionId: options.execution,
    handedOverTo: options.with,
    errorCode: options.errorCode,
  };
  return showList(terminal, options, ListCompensationDebts, filter, DEBTS);
};

const EXECUTION = '0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11';

const debtCommand = (debts: Command, name: string, description: string): Command =>
  executionCommand(debts, name, description).argument(
    '<unit>',
    'what the compensation is of: a step, or an item such as resize[3]',
  );

const addActions = (debts: Command, terminal: Terminal): void => {
  keyOption(
    inputOptions(
      debtCommand(debts, 'retry', 'Retry a compensation that failed permanently.'),
      'new input for the agent',
    ),
  )
    .addHelpText('after', examples(`baton workflows debts retry ${EXECUTION} charge`))
    .action(async (executionId: string, unit: string, options: KeyOptions & InputOptions) => {
      const { idempotencyKey } = options;
      const variables = { executionId, unit, input: await inputOf(terminal, options), idempotencyKey };
      return steer(
        terminal,
        options,
        RetryCompensation,
        variables,
        (id) => `compensation of ${unit} of ${id} is retried`,
      );
    });
  keyOption(
    debtCommand(debts, 'skip', 'Close a compensation that was done by hand or is not needed.').requiredOption(
      '--reason <text>',
      'reason to record',
    ),
  )
    .addHelpText('after', examples(`baton workflows debts skip ${EXECUTION} charge --reason 'refunded by hand'`))
    .action((executionId: string, unit: string, { reason, ...options }: KeyOptions & { reason: string }) => {
      const variables = { executionId, unit, reason, idempotencyKey: options.idempotencyKey };
      return steer(terminal, options, SkipCompensation, variables, (id) => `compensation of ${unit} of ${id} closed`);
    });
  keyOption(
    debtCommand(debts, 'hand-over', 'Record who takes care of a compensation; it stays open.')
      .requiredOption('--to <who>', 'a person or a team')
      .option('--note <text>', 'note to record'),
  )
    .addHelpText('after', examples(`baton workflows debts hand-over ${EXECUTION} charge --to accounting`))
    .action((executionId: string, unit: string, options: KeyOptions & { to: string; note?: string }) => {
      const { to, note, idempotencyKey } = options;
      const variables = { executionId, unit, to, note, idempotencyKey };
      const done = (id: string): string => `compensation of ${unit} of ${id} handed over to ${to}`;
      return steer(terminal, options, HandOverCompensation, variables, done);
    });
};

export const addDebts = (workflows: Command, terminal: Terminal): void => {
  const debts = workflows
    .command('debts')
    .description('Compensations that failed permanently and wait for a person. Without a command: list them.');
  serverOptions(
    listOptions(
      debts
        .command('list', { isDefault: true })
        .description('List open compensations, newest first.')
        .addOption(
          parse.choicesOption(
            '--status <status>',
            'status to include; default: parked and handed over (repeatable)',
            COMPENSATION_STATES,
          ),
        )
        .option('--workflow <name>', 'name of the workflow')
        .option('--execution <id>', 'id of the execution')
        .option('--with <who>', 'who it was handed over to')
        .option('--error-code <code>', 'error code of the last failure'),
    ),
  )
    .addHelpText('after', examples('baton workflows debts', 'baton workflows debts --workflow order --json'))
    .action((options: ListFilter) => list(terminal, options));
  addActions(debts, terminal);
};
