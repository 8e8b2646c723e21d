import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import type { ValidWorkflow } from '../../commands/workflow/publish-workflow.ts';
import type { DefinitionIssue } from '../../domain/workflow/compile.ts';
import { WorkflowDefinition } from '../../domain/workflow/definition.ts';
import { numberOf } from '../../wording/sentences.ts';
import { type PlacedDocument, readPlacedDocument } from '../definition-file.ts';
import { Ended, EXIT, usageFailure } from '../failure.ts';
import { duration, facts, oneLine, table } from '../format.ts';
import * as parse from '../parse.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { checkDefinition, importedFrom, type PlacedIssue, placed, placeText } from '../workflows/workflow-file.ts';

const SHOWN_TASKS = 12;

export const issueTable = (issues: readonly DefinitionIssue[]): string =>
  table(
    [{ title: 'AT' }, { title: 'CODE' }, { title: 'WHAT' }],
    issues.map(({ pointer, code, message }) => [pointer || '/', code, oneLine(message, 300)]),
  );

const reportOf = ({ definition: { name, version }, digest, workflow }: ValidWorkflow) => {
  const { plan, steps } = workflow;
  return {
    valid: true,
    name,
    version,
    digest,
    tasks: plan.size,
    edges: plan.edges,
    levels: plan.levels.length,
    criticalPath: {
      tasks: plan.criticalPath.nodes.map((index) => steps[index]?.id ?? ''),
      lengthMs: plan.criticalPath.lengthMs,
    },
    totalWorkMs: plan.totalWorkMs,
    maxParallelism: plan.maxParallelism,
    averageParallelism: Number(plan.averageParallelism.toFixed(2)),
    issues: [],
  };
};

const pathText = (ids: readonly string[]): string => {
  if (ids.length <= SHOWN_TASKS) return ids.join(' → ');
  return `${ids.slice(0, SHOWN_TASKS - 1).join(' → ')} → … → ${ids.at(-1)}`;
};

const reportText = (
  report: ReturnType<typeof reportOf> & { readonly warnings: readonly PlacedIssue[] },
  document: PlacedDocument,
): string => {
  const { criticalPath, warnings } = report;
  const length = criticalPath.lengthMs > 0 ? `, ${duration(criticalPath.lengthMs)}` : ', no estimates';
  const text = facts([
    ['valid', `${report.name}@${report.version}`],
    ['digest', report.digest],
    ['tasks', `${report.tasks}, ${numberOf(report.edges, 'dependency', 'dependencies')}`],
    ['levels', String(report.levels)],
    ['critical path', `${pathText(criticalPath.tasks)}  (${numberOf(criticalPath.tasks.length, 'task')}${length})`],
    ['parallelism', `at most ${report.maxParallelism}, ${report.averageParallelism} on average`],
  ]);
  return warnings.length === 0
    ? text
    : `${text}\n${numberOf(warnings.length, 'warning')}\n${placedTable(warnings, document)}`;
};

const placedTable = (issues: readonly PlacedIssue[], document: PlacedDocument): string =>
  table(
    [{ title: 'AT' }, { title: 'POINTER' }, { title: 'CODE' }, { title: 'WHAT' }],
    issues.map((issue) => {
      const { pointer, code, message } = issue;
      return [placeText(issue, document), pointer || '/', code, oneLine(message, 300)];
    }),
  );

const validate = async (terminal: Terminal, file: string, { json }: { json?: boolean }): Promise<void> => {
  const document = await readPlacedDocument(terminal, file);
  const checked = checkDefinition(document.value);
  if (checked.ok) {
    const report = { ...reportOf(checked.value), warnings: placed(checked.value.workflow.warnings, document) };
    return print(terminal, json, report, () => reportText(report, document));
  }
  const issues = placed(checked.rejection.issues, document);
  print(
    terminal,
    json,
    { valid: false, issues, warnings: [] },
    () => `NOT VALID, ${numberOf(issues.length, 'issue')}\n${placedTable(issues, document)}`,
  );
  throw new Ended(EXIT.failed);
};

type ImportOptions = {
  readonly from: 'wfformat';
  readonly out?: string;
  readonly timeScale: number;
  readonly json?: boolean;
};

const writeTo = async (path: string, text: string): Promise<void> => {
  try {
    await writeFile(path, text);
  } catch (error) {
    throw usageFailure(`${path}: cannot write: ${(error as Error).message}`);
  }
};

/** Writes the definition to stdout, or to a file and then a summary to stdout. */
const importFile = async (terminal: Terminal, file: string, options: ImportOptions): Promise<void> => {
  const { definition, workflow, renamed } = importedFrom(await readPlacedDocument(terminal, file), options.timeScale);
  const text = `${JSON.stringify(definition, null, options.json === true ? undefined : 2)}\n`;
  const { plan } = workflow;
  const summary = `${definition.name}@${definition.version}: ${numberOf(plan.size, 'task')}, ${numberOf(plan.edges, 'dependency', 'dependencies')}, ${numberOf(renamed.length, 'id')} changed\n`;
  if (options.out === undefined) {
    terminal.out(text);
    terminal.err(summary);
    return;
  }
  await writeTo(options.out, text);
  const { name, version } = definition;
  print(
    terminal,
    options.json,
    { name, version, tasks: plan.size, edges: plan.edges, renamed, out: options.out },
    () => `${options.out}  ${summary}`,
  );
};

export const addLocalCommands = (workflows: Command, terminal: Terminal): void => {
  workflows
    .command('validate')
    .description('Check a definition (JSON or YAML) without a server: shape, graph, expressions, compensations.')
    .argument('<file>', '- is stdin')
    .option('--json', 'print exactly one JSON value')
    .addHelpText(
      'after',
      `${examples('baton workflows validate order.yaml', 'baton workflows validate order.json --json', 'baton workflows import --from wfformat run.json | baton workflows validate -')}
Lists every issue with its line and column, and by JSON pointer. Exit code 1 when the definition is not valid, 2 when the file is not JSON or YAML.
Warnings point out what is allowed but probably not intended; they do not change the exit code.\n`,
    )
    .action((file: string, options: { json?: boolean }) => validate(terminal, file, options));
  workflows
    .command('schema')
    .description('Print the JSON Schema of definitions, for editors and other programs.')
    .addHelpText('after', examples('baton workflows schema > workflow.schema.json'))
    .action(() => terminal.out(`${JSON.stringify(z.toJSONSchema(WorkflowDefinition, { io: 'input' }), null, 2)}\n`));
  workflows
    .command('import')
    .description('Turn a recorded run into a definition with the same graph and the same durations.')
    .argument('<file>', '- is stdin')
    .addOption(
      new Option('--from <format>', 'wfformat: WfCommons WfFormat 1.5').choices(['wfformat']).makeOptionMandatory(),
    )
    .option('--out <file>', 'file for the definition; default: stdout')
    .addOption(
      new Option('--time-scale <n>', 'seconds that one recorded second becomes')
        .argParser(parse.number(1e-9, 1_000))
        .default(1),
    )
    .option('--json', 'print exactly one JSON value')
    .addHelpText(
      'after',
      `${examples('baton workflows import --from wfformat montage.json --out montage.workflow.json', 'baton workflows import --from wfformat montage.json --time-scale 0.001')}
Each task requires the capability \`simulate\` with the input {"runtimeMs": …}, which keeps an id that had to be changed as
recordedId. Parents and children in the file must agree. The version is the date of the recording.\n`,
    )
    .action((file: string, options: ImportOptions) => importFile(terminal, file, options));
};
