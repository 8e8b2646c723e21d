import { fileURLToPath } from 'node:url';

/**
 * `npm test` and `npm run campaign` build first. Processes that tests start then run the build, which costs a third of the CPU time
 * of running the sources. A test file that is run on its own runs the sources, so it never sees an old build.
 */
export const BUILT = ['test', 'campaign'].includes(process.env['npm_lifecycle_event'] ?? '');

/** The command `baton`, as users run it. */
export const BATON = fileURLToPath(new URL('../../dist/bundle/baton.js', import.meta.url));
