import { createHash } from 'node:crypto';
import { byteLengthOf } from '../../domain/json.ts';
import { ok, type Result } from '../../domain/result.ts';
import { compileWorkflow, type DefinitionIssue, type Workflow } from '../../domain/workflow/compile.ts';
import type { WorkflowRejection } from '../../domain/workflow/decider.ts';
import { MAX_DEFINITION_BYTES, WorkflowDefinition } from '../../domain/workflow/definition.ts';
import { canonicalJson } from '../../eventstore/provenance.ts';
import { type Accepted, badInput, type Caller, type Commands, contextOf, parseInput } from '../context.ts';
import { nowOf, run, WORKFLOW } from '../run.ts';

/** A definition that may be published, and what identifies its content. */
export type ValidWorkflow = {
  readonly definition: WorkflowDefinition;
  /** SHA-256 of the canonical form, in hex. */
  readonly digest: string;
  readonly workflow: Workflow;
};

const checkSize = (definition: unknown): void => {
  const bytes = byteLengthOf(definition);
  if (bytes > MAX_DEFINITION_BYTES)
    throw badInput([
      {
        pointer: '',
        code: 'TOO_LARGE',
        message: `a definition has at most ${MAX_DEFINITION_BYTES} bytes of JSON, got ${bytes}`,
      },
    ]);
};

/**
 * Checks a definition: its shape, its graph, its expressions.
 *
 * Errors: `AppError` `BAD_USER_INPUT` with every issue, by JSON pointer.
 */
export const validateWorkflow = (input: unknown): ValidWorkflow => {
  checkSize(input);
  const definition = parseInput(WorkflowDefinition, input);
  checkSize(definition); // with its defaults
  const compiled = compileWorkflow(definition);
  if (!compiled.ok) throw badInput(compiled.rejection);
  const digest = createHash('sha256').update(canonicalJson(definition)).digest('hex');
  return { definition, digest, workflow: compiled.value };
};

export type PublishedWorkflow = Accepted & {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly warnings: readonly DefinitionIssue[];
};

/**
 * Publishes a version of a workflow. The same content again changes nothing; another content under the same version is refused.
 *
 * Errors: those of `validateWorkflow`.
 */
export const publishWorkflow = async (
  commands: Commands,
  caller: Caller,
  input: unknown,
): Promise<Result<PublishedWorkflow, WorkflowRejection>> => {
  const { definition, digest, workflow } = validateWorkflow(input);
  const { name, version } = definition;
  const now = nowOf(commands);
  const result = await run(commands, caller, WORKFLOW, {
    id: name,
    command: { type: 'PublishWorkflow', definition, digest, now },
    now,
    context: contextOf(commands, caller, `PublishWorkflow/${name}`, { digest }),
  });
  return result.ok ? ok({ ...result.value, name, version, digest, warnings: workflow.warnings }) : result;
};
