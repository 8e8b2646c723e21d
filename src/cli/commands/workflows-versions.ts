import {
  ArchiveWorkflow,
  DeprecateWorkflow,
  GetWorkflow,
  type GetWorkflowQuery,
  ListWorkflows,
  PublishWorkflow,
  type WorkflowRowFragment,
} from 'baton-client';
import { type Command, Option } from 'commander';
import { PATTERNS } from '../../domain/workflow/definition.ts';
import { WORKFLOW_STATUSES, type WorkflowStatus } from '../../projections/workflows/table.ts';
import { numberOf } from '../../wording/sentences.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { readDocument } from '../definition-file.ts';
import { refused } from '../failure.ts';
import { duration, facts, oneLine, status, table } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import { type ListOptions, type ListView, listOptions, showList } from '../list.ts';
import * as parse from '../parse.ts';
import { type KeyOptions, keyOption, perform } from '../perform.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { issueTable } from './workflows-local.ts';

const publish = async (terminal: Terminal, file: string, options: KeyOptions): Promise<void> => {
  const definition = await readDocument(terminal, file);
  const published = await perform(terminal, options, PublishWorkflow, {
    definition,
    idempotencyKey: options.idempotencyKey,
  });
  const { id: name, version, position, repeated, warnings } = published;
  if (warnings.length > 0 && options.json !== true)
    terminal.err(`${numberOf(warnings.length, 'warning')}\n${issueTable(warnings)}`);
  print(
    terminal,
    options.json,
    { name, version, position, repeated, warnings },
    () => `${name}@${version} ${repeated ? 'was already published' : 'published'}\n`,
  );
};

const MAX_DESCRIPTION = 60;

const WORKFLOWS: ListView<WorkflowRowFragment> = {
  word: 'workflows',
  columns: [
    { title: 'NAME' },
    { title: 'VERSION' },
    { title: 'STATUS' },
    { title: 'PATTERN' },
    { title: 'TASKS', align: 'right' },
    { title: 'PUBLISHED' },
    { title: 'DESCRIPTION' },
  ],
  rowOf: (row, colour) => [
    row.name,
    row.version,
    status(row.status.toLowerCase(), colour),
    row.pattern,
    String(row.taskCount),
    row.publishedAt,
    oneLine(row.description ?? '', MAX_DESCRIPTION),
  ],
};

type ListFilter = ServerOptions &
  ListOptions & {
    readonly name?: string;
    readonly status?: readonly WorkflowStatus[];
    readonly pattern?: string;
    readonly tag?: readonly string[];
    readonly text?: string;
  };

const list = (terminal: Terminal, options: ListFilter): Promise<void> => {
  const { name, pattern, tag, text } = options;
  const filter = { name, pattern, tags: tag, text, statuses: options.status?.map(parse.upperCase) };
  return showList(terminal, options, ListWorkflows, filter, WORKFLOWS);
};

type Shown = NonNullable<GetWorkflowQuery['workflow']>;

/** Ids of steps by level; a JSON scalar in the schema. */
type Levels = readonly (readonly string[])[];

const MAX_LEVEL_TEXT = 100;

const shownText = (workflow: Shown, colour: boolean): string => {
  const { plan } = workflow;
  const length = plan.criticalPathMs > 0 ? `  (${duration(plan.criticalPathMs)})` : '';
  return [
    facts([
      ['workflow', `${workflow.name}@${workflow.version}`],
      ['status', status(workflow.status.toLowerCase(), colour)],
      [
        'retired',
        workflow.retiredAt === null ? undefined : `${workflow.retiredAt}  ${oneLine(workflow.reason ?? '', 300)}`,
      ],
      ['description', workflow.description === null ? undefined : oneLine(workflow.description, 300)],
      ['pattern', workflow.pattern],
      ['tags', workflow.tags.length === 0 ? undefined : workflow.tags.map((tag) => oneLine(tag)).join(', ')],
      ['published', `${workflow.publishedAt} by ${oneLine(workflow.actor, 40)}`],
      ['digest', workflow.digest],
      ['versions', workflow.versions.map((one) => `${one.version} ${one.status.toLowerCase()}`).join(', ')],
      ['tasks', `${workflow.taskCount}, ${numberOf(plan.edges, 'dependency', 'dependencies')}`],
      ['critical path', `${oneLine(plan.criticalPath.join(' → '), 300)}${length}`],
      ['parallelism', `at most ${plan.maxParallelism}, ${plan.averageParallelism.toFixed(1)} on average`],
    ]),
    '\n',
    table(
      [{ title: 'LEVEL', align: 'right' }, { title: 'TASKS' }],
      (plan.levels as Levels).map((ids, level) => [String(level + 1), oneLine(ids.join(', '), MAX_LEVEL_TEXT)]),
    ),
    plan.warnings.length === 0 ? '' : `\n${numberOf(plan.warnings.length, 'warning')}\n${issueTable(plan.warnings)}`,
  ].join('');
};

type ShowOptions = ServerOptions & Freshness & { readonly version?: string };

const show = async (terminal: Terminal, name: string, options: ShowOptions): Promise<void> => {
  const { version, atLeast } = options;
  const { workflow } = await withClient(terminal, options, (client) =>
    client.execute(GetWorkflow, { name, version, atLeast }),
  );
  if (workflow === null)
    throw refused(
      'NOT_FOUND',
      `workflow ${JSON.stringify(name)}${version === undefined ? '' : `, version ${version},`} does not exist`,
    );
  print(terminal, options.json, workflow, () => shownText(workflow, terminal.colour));
};

type RetireOptions = KeyOptions & { readonly reason?: string };

const retireWith =
  (document: typeof DeprecateWorkflow | typeof ArchiveWorkflow, done: string) =>
  async (terminal: Terminal, name: string, version: string, options: RetireOptions): Promise<void> => {
    const { reason, idempotencyKey } = options;
    const variables = { name, version, reason, idempotencyKey };
    const { position, repeated } = await perform(terminal, options, document, variables);
    print(terminal, options.json, { name, version, position, repeated }, () => `${name}@${version} ${done}\n`);
  };

const addRetire = (workflows: Command, terminal: Terminal): void => {
  const commands = [
    {
      name: 'deprecate',
      description: 'New executions use this version only if they name it; running ones continue.',
      action: retireWith(DeprecateWorkflow, 'deprecated'),
    },
    {
      name: 'archive',
      description: 'No new executions of this version; running ones continue.',
      action: retireWith(ArchiveWorkflow, 'archived'),
    },
  ];
  for (const { name, description, action } of commands)
    keyOption(
      workflows
        .command(name)
        .description(description)
        .argument('<name>')
        .argument('<version>')
        .option('--reason <text>', 'reason to record'),
    )
      .addHelpText('after', examples(`baton workflows ${name} order 1.0.0 --reason 'charges twice'`))
      .action((workflow: string, version: string, options: RetireOptions) =>
        action(terminal, workflow, version, options),
      );
};

export const addVersions = (workflows: Command, terminal: Terminal): void => {
  keyOption(
    workflows
      .command('publish')
      .description('Publish a version of a workflow. A published version never changes.')
      .argument('<file>', 'JSON or YAML; - is stdin'),
  )
    .addHelpText(
      'after',
      `${examples('baton workflows publish order.yaml', 'baton workflows publish - --json < order.json')}
Publishing the same content again changes nothing; different content under the same version is refused. \`validate\` checks without a server.\n`,
    )
    .action((file: string, options: KeyOptions) => publish(terminal, file, options));
  serverOptions(
    listOptions(
      workflows
        .command('list')
        .description('List published versions, newest first.')
        .option('--name <name>', 'name of the workflow')
        .addOption(parse.choicesOption('--status <status>', 'status to include (repeatable)', WORKFLOW_STATUSES))
        .addOption(new Option('--pattern <pattern>', 'pattern that the definition declares').choices(PATTERNS))
        .option('--tag <text>', 'tag the workflow must have (repeatable)', parse.collect(String))
        .option('--text <text>', 'text in the name, the description or a tag'),
    ),
  )
    .addHelpText(
      'after',
      examples('baton workflows list', 'baton workflows list --name order --status published --json'),
    )
    .action((options: ListFilter) => list(terminal, options));
  serverOptions(
    freshness(
      workflows
        .command('show')
        .description('Show a version with its plan; with --json also its definition.')
        .argument('<name>')
        .option('--version <version>', 'default: the one a new execution uses'),
    ),
  )
    .addHelpText('after', examples('baton workflows show order', 'baton workflows show order --version 1.0.0 --json'))
    .action((name: string, options: ShowOptions) => show(terminal, name, options));
  addRetire(workflows, terminal);
};
