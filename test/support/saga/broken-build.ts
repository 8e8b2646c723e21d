import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import type { Build } from './world.ts';

/** A change of the domain's source: in this file, this text becomes that. */
export type Change = { readonly file: string; readonly from: string; readonly to: string };

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));
const DOMAIN = join(REPOSITORY, 'src/domain');

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  rewriteRelativeImportExtensions: true,
  verbatimModuleSyntax: true,
};

const transpile = (source: string): string => ts.transpileModule(source, { compilerOptions: OPTIONS }).outputText;

const sourceFiles = (): string[] =>
  readdirSync(DOMAIN, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
  );

/** Copies of the domain with mistakes in them, in a temporary folder. Production code needs no switch for that. */
export class BrokenBuilds {
  readonly #folder = mkdtempSync(join(tmpdir(), 'baton-broken-'));
  readonly #compiled = new Map(
    sourceFiles().map((file) => [file, transpile(readFileSync(join(DOMAIN, file), 'utf8'))]),
  );
  #count = 0;

  constructor() {
    writeFileSync(join(this.#folder, 'package.json'), '{"type":"module"}');
    symlinkSync(join(REPOSITORY, 'node_modules'), join(this.#folder, 'node_modules'));
  }

  /** Errors: throws when a text to be changed is not there exactly once. */
  async with(changes: readonly Change[]): Promise<Build> {
    const sources = new Map<string, string>();
    for (const { file, from, to } of changes) {
      const source = sources.get(file) ?? readFileSync(join(DOMAIN, file), 'utf8');
      if (source.split(from).length !== 2) throw new Error(`not exactly once in ${file}: ${from}`);
      sources.set(
        file,
        source.replace(from, () => to),
      );
    }
    this.#count += 1;
    const folder = join(this.#folder, String(this.#count));
    for (const [file, compiled] of this.#compiled) {
      const source = sources.get(file);
      const path = join(folder, file.replace(/ts$/, 'js'));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, source === undefined ? compiled : transpile(source));
    }
    const load = (file: string) => import(pathToFileURL(join(folder, file)).href);
    const { executionDecider } = await load('execution/decider.js');
    const { planCompensation } = await load('execution/plan-compensation.js');
    return { decider: executionDecider, preview: planCompensation } as Build;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
