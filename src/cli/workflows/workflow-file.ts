import { type ValidWorkflow, validateWorkflow } from '../../commands/workflow/publish-workflow.ts';
import type { DefinitionIssue } from '../../domain/workflow/compile.ts';
import { type ImportedWorkflow, importWfFormat, type Recording } from '../../domain/workflow/import-wfformat.ts';
import { AppError } from '../../platform/errors.ts';
import { readDocument } from '../definition-file.ts';
import { EXIT, Failure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';

const nameOf = (path: string): string => (path === '-' ? 'stdin' : path);

const notValid = (path: string, what: string, issues: readonly DefinitionIssue[]): Failure =>
  new Failure(
    EXIT.usage,
    `${nameOf(path)}: ${what}\n${issues.map(({ pointer, code, message }) => `${pointer || '/'}: ${message} (${code})`).join('\n')}`,
    { code: 'BAD_USER_INPUT', issues },
  );

/** Checks a definition as the server does. */
export const checkDefinition = (
  input: unknown,
):
  | { readonly ok: true; readonly valid: ValidWorkflow }
  | { readonly ok: false; readonly issues: readonly DefinitionIssue[] } => {
  try {
    return { ok: true, valid: validateWorkflow(input) };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'BAD_USER_INPUT') throw error;
    return { ok: false, issues: error.issues };
  }
};

/** Errors: `Failure` (wrong usage) with every issue. */
export const validDefinition = (path: string, input: unknown): ValidWorkflow => {
  const checked = checkDefinition(input);
  if (!checked.ok) throw notValid(path, 'not a valid workflow definition', checked.issues);
  return checked.valid;
};

/** Errors: `Failure` (wrong usage) with every issue. */
export const importedFrom = (path: string, input: unknown, timeScale = 1): ImportedWorkflow => {
  const imported = importWfFormat(input, { timeScale });
  if (!imported.ok) throw notValid(path, 'not a WfFormat 1.5 instance', imported.rejection);
  validDefinition(path, imported.value.definition); // also checks its size
  return imported.value;
};

const NO_RECORDING: Recording = { makespanMs: undefined, machines: undefined, cores: undefined };

/** An instance has keys that a definition cannot have. */
const looksRecorded = (document: unknown): boolean =>
  document !== null && typeof document === 'object' && ('schemaVersion' in document || 'workflow' in document);

/** The workflow of a file with a definition or a recorded run. */
export const readWorkflow = async (
  terminal: Terminal,
  path: string,
): Promise<Pick<ImportedWorkflow, 'workflow' | 'recording'>> => {
  const document = await readDocument(terminal, path);
  if (looksRecorded(document)) return importedFrom(path, document);
  return { workflow: validDefinition(path, document).workflow, recording: NO_RECORDING };
};
