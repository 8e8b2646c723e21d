import { z } from 'zod';
import { publishWorkflow } from '../../commands/workflow/publish-workflow.ts';
import { archiveWorkflow, deprecateWorkflow, RetireWorkflowInput } from '../../commands/workflow/retire-workflow.ts';
import { newestVersion } from '../../commands/workflow/workflow-version.ts';
import { WorkflowName, workflowStream } from '../../domain/ids.ts';
import { text } from '../../domain/json.ts';
import { WorkflowDefinition } from '../../domain/workflow/definition.ts';
import { notFound } from '../../platform/errors.ts';
import {
  countWorkflowVersions,
  listWorkflowVersions,
  type WorkflowFilter,
} from '../../projections/workflows/queries.ts';
import { WORKFLOW_STATUSES, workflowVersionsTable } from '../../projections/workflows/table.ts';
import { PositionText } from '../edge/query-string.ts';
import { WORKFLOW } from './examples.ts';
import { FilterText, textOf } from './filters.ts';
import { listOf, several } from './list.ts';
import {
  AT_LEAST,
  COMMAND_REFUSALS,
  CREATION_REFUSALS,
  Issue,
  type Operation,
  operation,
  positionOf,
  RECORDED,
  SUBJECT_REFUSALS,
} from './operation.ts';
import { acceptedByWorkflow } from './rejection.ts';
import { viewOf } from './view.ts';

const version = viewOf(workflowVersionsTable, { hides: [], json: { definition: WorkflowDefinition } });
/** Definitions may be large. */
const summary = viewOf(workflowVersionsTable, { hides: ['definition'], json: {} });

export const PublishedWorkflow = z.strictObject({
  name: WorkflowName,
  version: z.string(),
  digest: z.string().meta({ description: 'SHA-256 of the canonical form of the definition, in hex.' }),
  position: PositionText,
  repeated: z.boolean().meta({ description: 'This content was published before; nothing was recorded.' }),
  warnings: z.array(Issue).meta({ description: 'What is allowed, but probably not intended.' }),
});

const publish = operation({
  method: 'post',
  path: '/workflows',
  id: 'publishWorkflow',
  summary: 'Publish a version of a workflow',
  description:
    'Publishing the same content again changes nothing. Other content under an existing version is refused with VersionTaken.',
  body: { schema: WorkflowDefinition, required: true, yaml: true },
  success: { status: 201, description: 'Published', schema: PublishedWorkflow },
  refusals: CREATION_REFUSALS,
  example: { body: WORKFLOW },
  async run({ commands, caller, body }) {
    const { name, version, digest, position, repeated, warnings } = acceptedByWorkflow(
      await publishWorkflow(commands, caller, body),
    );
    return {
      body: {
        name,
        version,
        digest,
        position: String(position),
        repeated,
        warnings: [...warnings],
      } satisfies z.output<typeof PublishedWorkflow>,
    };
  },
});

const list = listOf({
  path: '/workflows',
  id: 'listWorkflows',
  summary: 'List versions of workflows, newest publication first',
  filter: {
    name: textOf('Name of the workflow.'),
    status: several(z.enum(WORKFLOW_STATUSES), 'Any of them.'),
    pattern: textOf('Its coordination pattern.'),
    tag: several(text({ min: 1, max: 100 }), 'All of them.'),
    text: textOf('Part of the name, the description or a tag; case does not matter.'),
  },
  filterOf: ({ status, tag, ...filter }) => ({ ...filter, statuses: status, tags: tag }) satisfies WorkflowFilter,
  item: summary,
  list: listWorkflowVersions,
  count: countWorkflowVersions,
  example: { query: { name: WORKFLOW.name, count: 'true' } },
});

const show = operation({
  method: 'get',
  path: '/workflows/{name}',
  id: 'showWorkflow',
  summary: 'Show a version of a workflow with its definition',
  target: WorkflowName,
  query: z.strictObject({
    version: FilterText.optional().meta({
      description: 'When absent: the version that a new execution would use, or the newest.',
    }),
    ...AT_LEAST,
  }),
  success: { status: 200, description: 'The version', schema: version.schema },
  refusals: SUBJECT_REFUSALS,
  example: { target: WORKFLOW.name },
  async run({ reads, target: name, query }) {
    reads.atLeast(positionOf(query));
    const wanted = query.version;
    const row = await reads.existing({ schema: WorkflowName, streamOf: workflowStream, id: name }, async () => {
      const rows = await reads.workflowVersions.load(name);
      const named = rows.find((one) => one.version === wanted);
      return named ?? (wanted === undefined ? (newestVersion(rows) ?? rows[0]) : undefined) ?? null;
    });
    if (row === null) throw notFound('workflow', JSON.stringify(wanted === undefined ? name : `${name}@${wanted}`));
    return { body: version.of(row) };
  },
});

export const VersionRetired = z.strictObject({ name: WorkflowName, version: z.string(), ...RECORDED });

type Retirement = Pick<Operation, 'id' | 'summary' | 'description'> & {
  readonly verb: 'deprecate' | 'archive';
  readonly command: typeof deprecateWorkflow;
};

const retirement = ({ verb, command, ...documented }: Retirement): Operation =>
  operation({
    ...documented,
    method: 'post',
    path: `/workflows/{name}/${verb}`,
    target: WorkflowName,
    body: { schema: RetireWorkflowInput, required: true },
    success: { status: 200, description: 'Done; running executions continue', schema: VersionRetired },
    refusals: COMMAND_REFUSALS,
    example: { target: WORKFLOW.name, body: { version: WORKFLOW.version, reason: 'replaced by 2.0.0' } },
    async run({ commands, caller, target: name, body }) {
      const { position, repeated } = acceptedByWorkflow(await command(commands, caller, name, body));
      const { version } = body as z.output<typeof RetireWorkflowInput>;
      return { body: { name, version, position: String(position), repeated } };
    },
  });

export const WORKFLOW_OPERATIONS: readonly Operation[] = [publish, list, show];

/** After the executions, so that the examples of those find a version that is in use. */
export const RETIREMENTS: readonly Operation[] = [
  retirement({
    verb: 'deprecate',
    id: 'deprecateWorkflow',
    summary: 'Keep new executions from using a version unless they name it',
    command: deprecateWorkflow,
  }),
  retirement({
    verb: 'archive',
    id: 'archiveWorkflow',
    summary: 'Allow no new executions of a version',
    command: archiveWorkflow,
  }),
];
