import { join } from 'node:path';
import { z } from 'zod';
import type { Agent } from '../../agent/agent-server.ts';
import { parseInput, type Skill } from '../../agent/skill.ts';
import {
  CompensationInput,
  ExecutionId,
  FileRef,
  readIfExists,
  removeFile,
  removeIfEmpty,
  type WorkFolder,
  writeAtomically,
} from '../work-folder.ts';

const Input = z.object({ execution: ExecutionId, report: FileRef, total: z.number() });

const Index = z.array(
  z.object({
    execution: ExecutionId,
    file: z.string(),
    sha256: z.string(),
    tonnesCO2e: z.number(),
    publishedAt: z.iso.datetime(),
  }),
);
type Index = z.output<typeof Index>;

/** What readers see: the reports and their index. */
class Shelf {
  readonly #path: string;
  readonly #index: string;

  constructor(path: string) {
    this.#path = path;
    this.#index = join(path, 'index.json');
  }

  /** Writes the report before it lists it. */
  put(entry: Index[number], text: string): void {
    writeAtomically(join(this.#path, entry.file), text);
    this.#save([...this.#without(entry.execution), entry]);
  }

  /** Takes the report off the list before it removes it. Returns whether it existed. */
  take(execution: string, file: string): boolean {
    this.#save(this.#without(execution));
    const removed = removeFile(join(this.#path, file));
    removeIfEmpty(this.#path);
    return removed;
  }

  #without(execution: string): Index {
    const text = readIfExists(this.#index);
    return text === undefined ? [] : Index.parse(JSON.parse(text)).filter((entry) => entry.execution !== execution);
  }

  #save(index: Index): void {
    if (index.length === 0) removeFile(this.#index);
    else writeAtomically(this.#index, `${JSON.stringify(index, null, 1)}\n`);
  }
}

const fileOf = (execution: string): string => `${execution}.md`;

/** A repeated call writes the same report to the same place, so it is harmless. */
const publish = (folder: WorkFolder, shelf: Shelf): Skill => ({
  id: 'report.publish',
  description: 'Publishes the {report} of {execution}',
  run(input) {
    const { execution, report, total } = parseInput(Input, input);
    const file = fileOf(execution);
    const publishedAt = new Date().toISOString();
    shelf.put({ execution, file, sha256: report.sha256, tonnesCO2e: total, publishedAt }, folder.read(report));
    return { file: `published/${file}`, sha256: report.sha256 };
  },
});

const withdraw = (shelf: Shelf): Skill => ({
  id: 'report.withdraw',
  description: 'Withdraws the report of {execution}',
  run(input) {
    const { execution } = parseInput(CompensationInput, input);
    return { removed: shelf.take(execution, fileOf(execution)) };
  },
});

export const publisher = (folder: WorkFolder): Agent => {
  const shelf = new Shelf(join(folder.path, 'published'));
  return { name: 'publisher', description: 'Publishes reports', skills: [publish(folder, shelf), withdraw(shelf)] };
};
