import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { Refusal } from '../agent/skill.ts';

export const ExecutionId = z.uuid();
/** What every undo gets. */
export const UndoInput = z.object({ execution: ExecutionId });

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** What goes from step to step instead of the data: where they are, below the work folder, and what must be in there. */
export const FileRef = z.object({
  file: z.string().regex(/^[0-9a-f-]{36}\/[a-z]+\.[a-z]+$/, 'must be a file of an execution'),
  sha256: Sha256,
});
export type FileRef = z.output<typeof FileRef>;

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** Either the old content or the new one is there, whenever the machine stops. */
export const writeWhole = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${randomUUID()}.draft`;
  writeFileSync(draft, text);
  renameSync(draft, path);
};

/** The text of a file, undefined when there is none. */
export const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
};

/** Gives whether there was one. */
export const removeFile = (path: string): boolean => {
  const found = readIfThere(path) !== undefined;
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

/** The files of the executions, one folder each. Calls of one agent do not interleave: everything here is synchronous. */
export class WorkFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  write(execution: string, name: string, text: string): FileRef {
    const file = `${execution}/${name}`;
    writeWhole(join(this.path, file), text);
    return { file, sha256: digestOf(text) };
  }

  /** Errors: throws `Refusal` when the file has gone, or is not the one that was meant. */
  read({ file, sha256 }: FileRef): string {
    const text = readIfThere(join(this.path, file));
    if (text === undefined) throw new Refusal('FILE_MISSING', `${file} is not there`);
    if (digestOf(text) !== sha256)
      throw new Refusal('FILE_CHANGED', `${file} is not what it was when it was handed over`);
    return text;
  }

  /** Gives whether there was one. The execution's folder goes with its last file. */
  remove(execution: string, name: string): boolean {
    const folder = join(this.path, execution);
    const found = removeFile(join(folder, name));
    removeIfEmpty(folder);
    return found;
  }
}
