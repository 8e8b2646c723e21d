import { checkWorkflow, type ValidWorkflow } from '../../commands/workflow/publish-workflow.ts';
import type { DefinitionIssue } from '../../domain/workflow/compile.ts';
import { type ImportedWorkflow, importWfFormat, type Recording } from '../../domain/workflow/import-wfformat.ts';
import { type PlacedDocument, readPlacedDocument } from '../definition-file.ts';
import { EXIT, Failure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';

/** What has a name and may know where its parts are: a file, or something that never was one. */
type Source = Pick<PlacedDocument, 'name'> & Partial<Pick<PlacedDocument, 'placeOf'>>;

/** An issue with the place where it is in its file. */
export type PlacedIssue = DefinitionIssue & { readonly line?: number; readonly column?: number };

/** In the order of the file. */
export const placed = (issues: readonly DefinitionIssue[], { placeOf }: Source): PlacedIssue[] =>
  issues
    .map((issue): PlacedIssue => ({ ...issue, ...placeOf?.(issue.pointer) }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));

/** `order.yaml:4:5`, for editors and terminals that open it. */
export const placeText = ({ line, column }: PlacedIssue, { name }: Source): string =>
  line === undefined ? name : `${name}:${line}:${column}`;

const notValid = (source: Source, what: string, issues: readonly DefinitionIssue[]): Failure => {
  const lines = placed(issues, source).map((issue) => {
    const { line, pointer, message, code } = issue;
    return `${line === undefined ? '' : `${placeText(issue, source)}: `}${pointer || '/'}: ${message} (${code})`;
  });
  return new Failure(EXIT.usage, `${source.name}: ${what}\n${lines.join('\n')}`, { code: 'BAD_USER_INPUT', issues });
};

/** A file is for people to mend: they see more issues at once than an answer of the server has. */
const MAX_SHAPE_ISSUES = 200;

/** Checks a definition as the server does. */
export const checkDefinition = (input: unknown): ReturnType<typeof checkWorkflow> =>
  checkWorkflow(input, MAX_SHAPE_ISSUES);

/** Errors: `Failure` (wrong usage) with every issue. */
export const validDefinition = (source: Source, input: unknown): ValidWorkflow => {
  const checked = checkDefinition(input);
  if (!checked.ok) throw notValid(source, 'not a valid workflow definition', checked.rejection.issues);
  return checked.value;
};

/** Errors: `Failure` (wrong usage) with every issue. */
export const importedFrom = (document: PlacedDocument, timeScale = 1): ImportedWorkflow => {
  const imported = importWfFormat(document.value, { timeScale });
  if (!imported.ok) throw notValid(document, 'not a WfFormat 1.5 instance', imported.rejection);
  validDefinition({ name: document.name }, imported.value.definition); // also checks its size
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
  const document = await readPlacedDocument(terminal, path);
  if (looksRecorded(document.value)) return importedFrom(document);
  return { workflow: validDefinition(document, document.value).workflow, recording: NO_RECORDING };
};
