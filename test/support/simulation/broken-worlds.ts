import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import type * as RunWorld from './run-world.ts';

/** A change of the product's source: in this file, this text becomes that. */
export type Change = { readonly file: string; readonly from: string; readonly to: string };

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));
const ENTRY = 'test/support/simulation/run-world.ts';
const IMPORT = /\bfrom '(\.[^']+)'/g;

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  rewriteRelativeImportExtensions: true,
  verbatimModuleSyntax: true,
};

const transpile = (source: string): string => ts.transpileModule(source, { compilerOptions: OPTIONS }).outputText;
const read = (file: string): string => readFileSync(join(REPOSITORY, file), 'utf8');

/** The sources that the simulation is made of, by their path in the repository. */
const reachable = (entry: string): ReadonlyMap<string, string> => {
  const sources = new Map<string, string>();
  const open = [entry];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (sources.has(file)) continue;
    const source = read(file);
    sources.set(file, source);
    for (const [, target] of source.matchAll(IMPORT)) open.push(join(dirname(file), target as string));
  }
  return sources;
};

/** Copies of the product and its simulation with mistakes in them, in a temporary folder. Production code needs no switch for that. */
export class BrokenWorlds {
  readonly #folder = mkdtempSync(join(tmpdir(), 'baton-broken-world-'));
  readonly #sources = reachable(ENTRY);
  readonly #compiled = new Map<string, string>();
  #count = 0;

  /** Errors: throws when a text to be changed is not there exactly once. */
  async with(changes: readonly Change[]): Promise<Pick<typeof RunWorld, 'runWorld'>> {
    const changed = new Map<string, string>();
    for (const { file, from, to } of changes) {
      const source = changed.get(file) ?? this.#sources.get(file);
      if (source?.split(from).length !== 2) throw new Error(`not exactly once in ${file}: ${from}`);
      changed.set(
        file,
        source.replace(from, () => to),
      );
    }
    this.#count += 1;
    const folder = join(this.#folder, String(this.#count));
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
    for (const file of this.#sources.keys()) {
      const path = join(folder, file.replace(/ts$/, 'js'));
      mkdirSync(dirname(path), { recursive: true });
      const source = changed.get(file);
      writeFileSync(path, source === undefined ? this.#compile(file) : transpile(source));
    }
    return import(pathToFileURL(join(folder, ENTRY.replace(/ts$/, 'js'))).href);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #compile(file: string): string {
    const known = this.#compiled.get(file) ?? transpile(this.#sources.get(file) as string);
    this.#compiled.set(file, known);
    return known;
  }
}
