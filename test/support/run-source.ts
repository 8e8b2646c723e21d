import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { programOf } from '../../src/examples/agent/program.ts';
import { BUILT, buildOf } from './built.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

// Not `import.meta.resolve`: Vitest's global setup does not have it.
const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** Arguments of Node for a process that runs a TypeScript file which imports nothing of the product. */
export const RUN_TYPESCRIPT: readonly string[] = ['--import', loader];

const OF_SOURCES: readonly string[] = ['--conditions=baton-source', ...RUN_TYPESCRIPT];

/** The same for a file that imports the product by `#baton/…` and by its packages' names: their build if there is a fresh one, else the sources. */
export const RUN_WITH_BATON: readonly string[] = BUILT ? RUN_TYPESCRIPT : OF_SOURCES;

const builtOrSource = (path: string): string => (BUILT ? buildOf(path) : undefined) ?? path;

/** Arguments of Node for a process that runs this file of the product: its build if there is a fresh one, else the source. */
export const runProgram = (path: string): readonly string[] =>
  BUILT ? [programOf(pathToFileURL(builtOrSource(path)))] : [...OF_SOURCES, path];

/** Arguments of Node for a process that runs the script, which imports modules of `src` by their `addressOf`. */
export const runScript = (script: string): readonly string[] => [
  ...(BUILT ? [] : OF_SOURCES),
  '--input-type=module',
  '-e',
  script,
];

/** Where another process finds the module: `addressOf('platform/config.ts')`. */
export const addressOf = (module: string): string => pathToFileURL(builtOrSource(`${ROOT}src/${module}`)).href;
