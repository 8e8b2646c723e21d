import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AgentError } from 'baton-agent-sdk';
import { z } from 'zod';

export const ExecutionId = z.uuid();
/** The input of every compensation. */
export const CompensationInput = z.object({ execution: ExecutionId });

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Steps pass references to files, not data: the path of a file below the work folder, and the digest of its content. */
export const FileRef = z.object({
  file: z.string().regex(/^[0-9a-f-]{36}\/[a-z]+\.[a-z]+$/, 'must be a file of an execution'),
  sha256: Sha256,
});
export type FileRef = z.output<typeof FileRef>;

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** After a crash the file has either its old or its new content. */
export const writeAtomically = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${randomUUID()}.draft`;
  writeFileSync(draft, text);
  renameSync(draft, path);
};

/** The text of a file; undefined when it does not exist. */
export const readIfExists = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
};

/** Returns whether the file existed. */
export const removeFile = (path: string): boolean => {
  const found = readIfExists(path) !== undefined;
  rmSync(path, { force: true });
  return found;
};

const IN_USE = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT']);

export const removeIfEmpty = (folder: string): void => {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!IN_USE.has(codeOf(error) ?? '')) throw error;
  }
};

/** The files of the executions, one folder each. Everything is synchronous, so the calls of one agent never interleave. */
export class WorkFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  write(execution: string, name: string, text: string): FileRef {
    const file = `${execution}/${name}`;
    writeAtomically(join(this.path, file), text);
    return { file, sha256: digestOf(text) };
  }

  /** Errors: throws `AgentError` when the file is missing, or its content has changed. */
  read({ file, sha256 }: FileRef): string {
    const text = readIfExists(join(this.path, file));
    if (text === undefined) throw new AgentError('FILE_MISSING', `${file} does not exist`);
    if (digestOf(text) !== sha256)
      throw new AgentError('FILE_CHANGED', `${file} was changed since the step that wrote it`);
    return text;
  }

  /** Returns whether the file existed. Removes the execution's folder together with its last file. */
  remove(execution: string, name: string): boolean {
    const folder = join(this.path, execution);
    const found = removeFile(join(folder, name));
    removeIfEmpty(folder);
    return found;
  }
}
