import { MigrateExecutions, type MigrateExecutionsMutation } from 'baton-client';
import type { Command } from 'commander';
import { serverOptions, withClient } from '../connection.ts';
import { Ended, EXIT } from '../failure.ts';
import { oneLine, table } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import * as parse from '../parse.ts';
import type { KeyOptions } from '../perform.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';

type Migrated = MigrateExecutionsMutation['migrateExecutions'];

type Options = KeyOptions &
  Freshness & {
    readonly from?: string;
    readonly to: string;
    readonly map?: readonly (readonly [string, string])[];
    readonly execution?: readonly string[];
    readonly dryRun?: boolean;
  };

const migratedText = ({ dryRun, moves, cannotMove, verdicts }: Migrated): string => {
  const others = verdicts.length - moves - cannotMove;
  const rows = verdicts.map(({ executionId, verdict, reasons }) => [
    executionId,
    verdict.toLowerCase().replaceAll('_', ' '),
    oneLine(reasons.join('; '), 300),
  ]);
  const list =
    rows.length === 0 ? '' : `${table([{ title: 'EXECUTION' }, { title: 'VERDICT' }, { title: 'WHY NOT' }], rows)}\n`;
  const did = dryRun ? 'would move' : 'moved';
  return `${list}${moves} ${did}, ${cannotMove} cannot move${others > 0 ? `, ${others} others` : ''}${dryRun ? '; nothing was changed' : ''}\n`;
};

const migrate = async (terminal: Terminal, workflow: string, options: Options): Promise<void> => {
  const mapping = options.map?.map(([old, next]) => [old, next === '' ? null : next] as const);
  const input = {
    version: options.to,
    fromVersion: options.from,
    executionIds: options.execution,
    mapping: mapping && Object.fromEntries(mapping),
    dryRun: options.dryRun,
  };
  const { migrateExecutions } = await withClient(terminal, options, (client) =>
    client.execute(MigrateExecutions, {
      workflow,
      input,
      idempotencyKey: options.idempotencyKey,
      atLeast: options.atLeast,
    }),
  );
  print(terminal, options.json, migrateExecutions, () => migratedText(migrateExecutions));
  if (migrateExecutions.cannotMove > 0) throw new Ended(EXIT.failed);
};

export const addMigrate = (workflows: Command, terminal: Terminal): void => {
  serverOptions(
    freshness(
      workflows
        .command('migrate')
        .description('Move running executions to another version of their workflow, each completely or not at all.')
        .argument('<name>', 'name of the workflow')
        .option('--from <version>', 'only executions of this version; default: of any version')
        .requiredOption('--to <version>', 'version to continue under')
        .option('--execution <id>', 'only this execution (repeatable)', parse.collect(String))
        .option(
          '--map <old=new>',
          'a task whose id differs; `old=` drops one that has not started (repeatable)',
          parse.collect(parse.label),
        )
        .option('--dry-run', 'only report what would happen to each execution')
        .option('--idempotency-key <key>', 'the same key gives the same outcome'),
    ),
  )
    .addHelpText(
      'after',
      `${examples('baton workflows migrate order --from 1.0.0 --to 1.1.0 --dry-run', 'baton workflows migrate order --to 2.0.0 --map charge=bill --map notify=')}
Completed steps stay completed; open steps continue under their new names. Exit code 1 when an execution cannot move; the others still do.\n`,
    )
    .action((name: string, options: Options) => migrate(terminal, name, options));
};
