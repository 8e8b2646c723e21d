import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// Not `import.meta.resolve`: Vitest's global setup does not have it.
const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** Arguments of Node for a process that runs TypeScript sources, those of the packages included. */
export const RUN_SOURCE: readonly string[] = ['--conditions=baton-source', '--import', loader];
