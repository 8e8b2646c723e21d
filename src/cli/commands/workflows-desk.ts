import { type Command, Option } from 'commander';
import { DEBT_STATUSES } from '../../projections/executions/table.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { type Column, oneLine, status, table } from '../format.ts';
import { given } from '../given.ts';
import { type ListOptions, listOptions, readList, remainder } from '../list.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { inputOf } from '../task-file.ts';
import type { Terminal } from '../terminal.ts';
import { ERROR, type ErrorFacts, errorText } from '../workflows/execution.ts';
import { executionCommand, type KeyOptions, keyOption, steer } from './workflows-steer.ts';

type Debt = {
  readonly executionId: string;
  readonly workflow: string;
  readonly unit: string;
  readonly status: string;
  readonly handedOverTo: string | null;
  readonly parkedAt: string | null;
  readonly error: ErrorFacts | null;
};

const ROW = `executionId workflow unit strategy status handedOverTo note reason parkedAt closedAt taskId position ${ERROR}`;
const QUERY = { field: 'compensationDebts', filterType: 'CompensationDebtFilter', selection: ROW };

const COLUMNS: readonly Column[] = [
  { title: 'EXECUTION' },
  { title: 'WORKFLOW' },
  { title: 'UNDO OF' },
  { title: 'STATUS' },
  { title: 'WITH' },
  { title: 'PARKED' },
  { title: 'ERROR' },
];

const MAX_ERROR = 80;

const rowOf = (debt: Debt, colour: boolean): string[] => [
  debt.executionId,
  debt.workflow,
  debt.unit,
  status(debt.status.toLowerCase(), colour),
  oneLine(debt.handedOverTo ?? '', 40),
  debt.parkedAt ?? '',
  debt.error === null ? '' : oneLine(errorText(debt.error), MAX_ERROR),
];

type ListFilter = ServerOptions &
  ListOptions & {
    readonly status?: readonly string[];
    readonly workflow?: string;
    readonly execution?: string;
    readonly with?: string;
    readonly errorCode?: string;
  };

const list = async (terminal: Terminal, options: ListFilter): Promise<void> => {
  const filter = {
    statuses: options.status?.map((name) => name.toUpperCase()),
    workflow: options.workflow,
    executionId: options.execution,
    handedOverTo: options.with,
    errorCode: options.errorCode,
  };
  const found = await withClient(terminal, options, (client) => readList<Debt>(client, QUERY, filter, options));
  print(terminal, options.json, found, () => {
    const rows = found.items.map((debt) => rowOf(debt, terminal.colour));
    return `${rows.length === 0 ? '' : table(COLUMNS, rows)}${remainder(found, 'debts')}`;
  });
};

const EXECUTION = '0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11';

const debtCommand = (debts: Command, name: string, description: string): Command =>
  executionCommand(debts, name, description).argument(
    '<unit>',
    'what is to be undone: a step, or an item such as resize[3]',
  );

const addActions = (debts: Command, terminal: Terminal): void => {
  const retry = steer('retryCompensation', { unit: 'String!', input: 'JSON' });
  keyOption(
    debtCommand(debts, 'retry', 'Try an undo again that had failed for good.')
      .addOption(
        new Option('--input <json>', 'what the agent gets this time').argParser(parse.json).conflicts('inputFile'),
      )
      .option('--input-file <file>', 'the same from a file; - is stdin'),
  )
    .addHelpText('after', examples(`baton workflows debts retry ${EXECUTION} charge`))
    .action(async (id: string, unit: string, options: KeyOptions & { input?: unknown; inputFile?: string }) =>
      retry(terminal, id, options, {
        variables: given({ unit, input: await inputOf(terminal, options) }) ?? {},
        done: (one) => `undo of ${unit} of ${one} is tried again`,
      }),
    );
  const skip = steer('skipCompensation', { unit: 'String!', reason: 'String!' });
  keyOption(
    debtCommand(debts, 'skip', 'Close an undo: it was done by hand, or is not needed.').requiredOption(
      '--reason <text>',
      'recorded with it',
    ),
  )
    .addHelpText('after', examples(`baton workflows debts skip ${EXECUTION} charge --reason 'refunded by hand'`))
    .action((id: string, unit: string, options: KeyOptions & { reason: string }) =>
      skip(terminal, id, options, {
        variables: { unit, reason: options.reason },
        done: (one) => `undo of ${unit} of ${one} closed`,
      }),
    );
  const handOver = steer('handOverCompensation', { unit: 'String!', to: 'String!', note: 'String' });
  keyOption(
    debtCommand(debts, 'hand-over', 'Note who sees to an undo; it stays owed.')
      .requiredOption('--to <who>', 'a person or a team')
      .option('--note <text>', 'recorded with it'),
  )
    .addHelpText('after', examples(`baton workflows debts hand-over ${EXECUTION} charge --to accounting`))
    .action((id: string, unit: string, options: KeyOptions & { to: string; note?: string }) =>
      handOver(terminal, id, options, {
        variables: { unit, to: options.to, note: options.note },
        done: (one) => `undo of ${unit} of ${one} handed over to ${options.to}`,
      }),
    );
};

export const addDesk = (workflows: Command, terminal: Terminal): void => {
  const debts = workflows
    .command('debts')
    .description('The desk: undos that failed for good and wait for a person. Without a command: list them.');
  serverOptions(
    listOptions(
      debts
        .command('list', { isDefault: true })
        .description('List what is owed, newest first.')
        .addOption(
          new Option('--status <status>', 'one of several; default: parked and handed over (repeatable)')
            .choices(DEBT_STATUSES)
            .argParser(parse.collect(parse.oneOf(DEBT_STATUSES))),
        )
        .option('--workflow <name>', 'of this workflow')
        .option('--execution <id>', 'of this execution')
        .option('--with <who>', 'handed over to them')
        .option('--error-code <code>', 'of the last failure'),
    ),
  )
    .addHelpText('after', examples('baton workflows debts', 'baton workflows debts --workflow order --json'))
    .action((options: ListFilter) => list(terminal, options));
  addActions(debts, terminal);
};
