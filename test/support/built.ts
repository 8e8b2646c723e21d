import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * `npm test` and `npm run campaign` build first. Tests, and the processes that they start, then run the build, which costs a third of the CPU
 * time of running the sources. A test file that is run on its own runs the sources, so it never sees an old build.
 */
export const BUILT = ['test', 'campaign'].includes(process.env['npm_lifecycle_event'] ?? '');

/** The command `baton`, as users run it. */
export const BATON = `${ROOT}dist/bundle/baton.js`;

const changedMs = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Errors: throws when a source was changed after the build, so that nobody tests what is no longer there. */
export const requireFreshBuild = (): void => {
  const builtMs = changedMs(BATON);
  const homes = ['', ...readdirSync(`${ROOT}packages`).map((name) => `packages/${name}/`)];
  for (const home of homes)
    for (const name of readdirSync(`${ROOT}${home}src`, { recursive: true, encoding: 'utf8' })) {
      const path = join(ROOT, home, 'src', name);
      if (name.endsWith('.ts') && !name.endsWith('.test.ts') && changedMs(path) > builtMs)
        throw new Error(`${path} was changed after the build: run \`npm run build\` first`);
    }
};

/** What the build makes of a source file; undefined for tests and for what is no source of the product. */
export const buildOf = (path: string): string | undefined => {
  const [, home, name] = /^((?:packages\/[^/]+\/)?)src\/(.+)\.ts$/.exec(path.replace(ROOT, '')) ?? [];
  const built = `${ROOT}${home}dist/${name}.js`;
  return name === undefined || name.endsWith('.test') || !existsSync(built) ? undefined : built;
};

/** A plugin of Vite: a source file that a test imports is its build, which Node loads by itself. */
export const fromBuild = {
  name: 'product-from-build',
  enforce: 'pre' as const,
  resolveId: (source: string, importer: string | undefined): string | undefined =>
    importer !== undefined && source.startsWith('.') ? buildOf(resolve(dirname(importer), source)) : undefined,
};
