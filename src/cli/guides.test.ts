import { readdirSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { Kind, parse, validate } from '../api/graphql/kit/graphql-js.ts';
import { createSchema } from '../api/graphql/schema.ts';
import { validateWorkflow } from '../commands/workflow/publish-workflow.ts';
import { parseExpression } from '../domain/workflow/expression.ts';
import { FORMATS, KEYWORDS } from '../domain/workflow/input/keywords.ts';
import { ROLES } from '../platform/config.ts';
import { run } from './run.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** The settings as the source has them: the schema itself is private to its module. */
const settings = [
  ...read('src/platform/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+): ([\s\S]*?),\n(?= {2}[A-Z]|\}\))/gm),
].map(([, name = '', definition = '']) => ({ name, definition }));

const rows = new Map(
  [...read('docs/guides/operations.md').matchAll(/^\| `([A-Z_]+)` +\| (.*?) +\| (.*?) +\| .* \|$/gm)].map(
    ([, name = '', allowed = '', fallback = '']) => [name, { allowed, fallback }],
  ),
);

const limitsOf = (definition: string): string | undefined => {
  const [, min, max] = /integer\(([\d_]+), ([\d_]+)\)/.exec(definition) ?? [];
  return min === undefined || max === undefined ? undefined : `${min} to ${max}`.replaceAll('_', '');
};

const defaultOf = (definition: string): string | undefined =>
  /\.default\((?:'(.*?)'|([\w_]+))\)/.exec(definition)?.slice(1).find(Boolean)?.replaceAll('_', '');

describe('the table of settings in the operations guide', () => {
  it('lists exactly the existing settings', () => {
    expect(settings.length).toBeGreaterThan(15);
    expect([...rows.keys()]).toEqual(settings.map(({ name }) => name));
  });

  it.each(settings)('gives limits and default of $name', ({ name, definition }) => {
    const { allowed = '', fallback = '' } = rows.get(name) ?? {};
    const limits = limitsOf(definition);
    if (limits !== undefined) expect(allowed).toBe(limits);
    const usual = defaultOf(definition);
    if (usual !== undefined) expect(fallback.replaceAll('`', '')).toBe(usual);
    if (definition.includes('.optional()')) expect(fallback).toMatch(/^(none|embedded|from host and port|all in use)$/);
    for (const [scheme] of definition.matchAll(/(?<=')(esdb|postgres|redis|http|kurrentdb)[a-z+]*(?=')/g))
      expect(allowed).toContain(`\`${scheme}://\``);
  });

  it('names every role', () => {
    for (const role of ROLES) expect(rows.get('BATON_ROLES')?.allowed).toContain(`\`${role}\``);
  });
});

/** Codes and the HTTP status that the API gives them, as the source has them. */
const statuses = [...read('src/api/errors.ts').matchAll(/^ {2}([A-Z_]+): (\d{3}),$/gm)].map(
  ([, code = '', status = '']) => ({
    code,
    status,
  }),
);

describe('the table of errors in the API guide', () => {
  const guide = [...read('docs/guides/api.md').matchAll(/^\| (`[A-Z_`, ]+`) +\| (\d{3}) +\|/gm)].flatMap(
    ([, codes = '', status = '']) => [...codes.matchAll(/[A-Z_]+/g)].map(([code]) => ({ code, status })),
  );

  it.each(statuses)('has $code with status $status', ({ code, status }) => {
    expect(guide).toContainEqual({ code, status });
  });

  it('lists no code that the API does not use', () => {
    expect(statuses.length).toBeGreaterThan(20);
    const known = new Set([...statuses.map(({ code }) => code), 'INTERNAL', 'GRAPHQL_VALIDATION_FAILED']);
    expect(guide.map(({ code }) => code).filter((code) => !known.has(code))).toEqual([]);
  });
});

const sources = (folder: string): string[] =>
  readdirSync(new URL(`../../${folder}`, import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => read(`${folder}/${name}`));

describe('the table of attempt errors in the guide on agents', () => {
  const ATTEMPT_CODE = /'(AGENTS?_[A-Z_]+|OUTCOME_UNKNOWN|ATTEMPT_[A-Z_]+|DEADLINE_PASSED|INTERNAL_ERROR)'/g;

  it('lists exactly the existing codes', () => {
    const text = [...sources('src/dispatch'), ...sources('src/processes'), ...sources('src/domain')].join('\n');
    const known = new Set([...text.matchAll(ATTEMPT_CODE)].map(([, code]) => code));
    known.delete('AGENT_CARD_INVALID'); // of a registration, not of an attempt
    known.delete('AGENT_ONLY'); // of a definition
    known.add('URL_NOT_ALLOWED');
    const rows = [...read('docs/guides/agents.md').matchAll(/^\| (`[A-Z_`, ]+`[^|]*?) *\|/gm)].map(
      ([, codes]) => codes,
    );
    const named =
      rows
        .join(' ')
        .match(/`[A-Z_]{5,}`/g)
        ?.map((code) => code.replaceAll('`', '')) ?? [];
    const classes = ['AT_LEAST_ONCE', 'EFFECTIVELY_ONCE', 'AT_MOST_ONCE'];
    expect(named.filter((code) => !classes.includes(code)).toSorted()).toEqual([...known].toSorted());
  });
});

describe('the GraphQL in the documents', () => {
  const schema = createSchema();
  const operations = ['README.md', 'docs/guides/api.md', 'docs/guides/agents.md'].flatMap((file) =>
    [...read(file).matchAll(/^```graphql\n([\s\S]*?)^```/gm)].flatMap(([, text = '']) =>
      parse(text).definitions.map((definition) => ({ file, definition })),
    ),
  );

  it('is valid', () => {
    expect(operations.length).toBeGreaterThan(6);
    for (const { file, definition } of operations) {
      const errors = validate(schema, { kind: Kind.DOCUMENT, definitions: [definition] });
      expect(errors.map(({ message }) => `${file}: ${message}`)).toEqual([]);
    }
  });
});

describe('the guide on workflows', () => {
  const guide = read('docs/guides/workflows.md');
  const definitions = [...guide.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(
    ([, text = '']) => parseYaml(text) as object,
  );

  it('shows definitions that can be published, without warnings other than those of waits', () => {
    expect(definitions.map((definition) => (definition as { name?: string }).name)).toEqual([
      'order',
      'photos',
      'season',
    ]);
    for (const definition of definitions) {
      const { warnings } = validateWorkflow(definition).workflow;
      expect(warnings).toEqual([]);
    }
  });

  const [, input = ''] = /^For the input `(.*)`:$/m.exec(guide) ?? [];
  const expressions = [...guide.matchAll(/^\| `(.*)` +\| (?:`(.*)`|fails: (.*?)) +\|$/gm)]
    .map(([, text = '', value, failure]) => ({ text, value, failure }))
    .filter(({ text }) => text.includes('input.'));

  it('shows expressions on fields that may be missing', () => expect(expressions).toHaveLength(6));

  it.each(expressions)('says what $text gives', ({ text, value, failure }) => {
    const parsed = parseExpression(text);
    if (!parsed.ok) throw new Error(parsed.rejection);
    const self = { tasks: {}, execution: { id: 'e' }, item: null, index: null, self: null };
    expect(parsed.value.evaluate({ ...self, input: JSON.parse(input) })).toEqual(
      value === undefined ? { ok: false, rejection: failure } : { ok: true, value: JSON.parse(value) },
    );
  });

  it('names the keywords that an input schema may use', () => {
    const [, section = ''] = /^## The input of a workflow\n([\s\S]*?)^## /m.exec(guide) ?? [];
    for (const keyword of Object.keys(KEYWORDS)) expect(section).toContain(`\`${keyword}\``);
    for (const format of FORMATS) expect(section).toContain(`\`${format}\``);
  });

  const commands = [...guide.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .flatMap(([, text = '']) => text.trim().split('\n'))
    .map((line) => line.replace(/ +#.*$/, '').replaceAll('<id>', '0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11'));

  /** Words of a shell's command line, as far as the guide needs it. */
  const wordsOf = (line: string): string[] =>
    [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '').slice(1);

  it.each(commands)('shows only existing commands and options: %s', async (line) => {
    let err = '';
    const terminal = {
      env: { BATON_URL: 'http://127.0.0.1:1', EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false' },
      stdin: Readable.from([]),
      out: () => {},
      err: (text: string) => {
        err += text;
      },
      progress: undefined,
      colour: false,
    };
    await run(terminal, wordsOf(line));
    expect(err).toMatch(/no such file|nothing listens there|is not reachable|cannot be reached|unavailable/i);
  });
});

describe('the guide on the eventstore-node', () => {
  const guide = read('docs/guides/eventstore-node.md');
  const commands = [...guide.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, text = '']) => text.trim().split('\n'));

  it.each(commands)('shows only existing commands and options: %s', async (line) => {
    const words = line
      .replace(/ +#.*$/, '')
      .split(' ')
      .slice(1);
    const options = words.filter((word) => word.startsWith('--'));
    const command = words.slice(0, words.indexOf(options[0] as string));
    let help = '';
    const out = (text: string): void => {
      help += text;
    };
    const terminal = { env: {}, stdin: Readable.from([]), out, err: out, progress: undefined, colour: false };
    expect(await run(terminal, [...command, '--help'])).toBe(0);
    expect(help).toContain(`Usage: baton ${command.join(' ')} [options]`);
    for (const option of options) expect(help).toMatch(new RegExp(`${option}\\b`));
  });
});
