import { createHash } from 'node:crypto';
import { byteLengthOf } from '../../domain/json.ts';
import { ok, type Result, rejected } from '../../domain/result.ts';
import { compileWorkflow, type DefinitionIssue, type Workflow } from '../../domain/workflow/compile.ts';
import type { WorkflowRejection } from '../../domain/workflow/decider.ts';
import { MAX_DEFINITION_BYTES, WorkflowDefinition } from '../../domain/workflow/definition.ts';
import { standInFor } from '../../domain/workflow/stand-in.ts';
import { canonicalJson } from '../../eventstore/provenance.ts';
import { MAX_ISSUES } from '../../platform/errors.ts';
import { type Accepted, badInput, type Caller, type Commands, checkShape, contextOf } from '../context.ts';
import { nowOf, run, WORKFLOW } from '../run.ts';

/** A definition that may be published, and what identifies its content. */
export type ValidWorkflow = {
  readonly definition: WorkflowDefinition;
  /** SHA-256 of the canonical form, in hex. */
  readonly digest: string;
  readonly workflow: Workflow;
};

const sizeIssues = (definition: unknown): DefinitionIssue[] => {
  const bytes = byteLengthOf(definition);
  if (bytes <= MAX_DEFINITION_BYTES) return [];
  const message = `a definition has at most ${MAX_DEFINITION_BYTES} bytes of JSON, got ${bytes}`;
  return [{ pointer: '', code: 'TOO_LARGE', message }];
};

type Issues = { readonly issues: readonly DefinitionIssue[]; readonly found: number };

const refused = (issues: readonly DefinitionIssue[]) => rejected({ issues, found: issues.length });

/** What is wrong besides the shape, as far as the rest can be read. */
const issuesBesideShape = (input: unknown): DefinitionIssue[] => {
  const standIn = standInFor(input);
  const compiled = standIn && compileWorkflow(standIn.definition);
  if (standIn === undefined || compiled === undefined || compiled.ok) return [];
  return compiled.rejection.filter(({ code }) => !standIn.doubtful.has(code));
};

/**
 * Checks a definition: its shape, its graph, its expressions, its schema.
 *
 * Errors: `Result` with every issue by JSON pointer; of those of its shape at most `most` are described, and of the others at most 200.
 */
export const checkWorkflow = (input: unknown, most: number): Result<ValidWorkflow, Issues> => {
  const tooLarge = sizeIssues(input);
  if (tooLarge.length > 0) return refused(tooLarge);
  const shape = checkShape(WorkflowDefinition, input, most);
  if (!shape.ok) {
    const { issues, found } = shape.rejection;
    const others = found < most ? issuesBesideShape(input) : [];
    return rejected({ issues: [...issues, ...others], found: found + others.length });
  }
  const definition = shape.value;
  const tooLargeWithDefaults = sizeIssues(definition);
  if (tooLargeWithDefaults.length > 0) return refused(tooLargeWithDefaults);
  const compiled = compileWorkflow(definition);
  if (!compiled.ok) return refused(compiled.rejection);
  const digest = createHash('sha256').update(canonicalJson(definition)).digest('hex');
  return ok({ definition, digest, workflow: compiled.value });
};

/** Errors: `AppError` `BAD_USER_INPUT` with the first issues of `checkWorkflow`. */
export const validateWorkflow = (input: unknown): ValidWorkflow => {
  const checked = checkWorkflow(input, MAX_ISSUES);
  if (checked.ok) return checked.value;
  throw badInput(checked.rejection.issues, checked.rejection.found);
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
