import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { BUILT } from './built.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

// Not `import.meta.resolve`: Vitest's global setup does not have it.
const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** Arguments of Node for a process that runs TypeScript sources, those of the packages included. */
export const RUN_SOURCE: readonly string[] = ['--conditions=baton-source', '--import', loader];

/** Arguments of Node for a process that runs this file of `src`: its build if there is a fresh one, else the source. */
export const runProgram = (path: string): readonly string[] =>
  BUILT ? [path.replace(`${ROOT}src/`, `${ROOT}dist/`).replace(/\.ts$/, '.js')] : [...RUN_SOURCE, path];
