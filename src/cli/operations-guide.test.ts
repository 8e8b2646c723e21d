import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ROLES } from '../platform/config.ts';

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
  it('names exactly the settings there are', () => {
    expect(settings.length).toBeGreaterThan(15);
    expect([...rows.keys()]).toEqual(settings.map(({ name }) => name));
  });

  it.each(settings)('tells limits and default of $name', ({ name, definition }) => {
    const { allowed = '', fallback = '' } = rows.get(name) ?? {};
    const limits = limitsOf(definition);
    if (limits !== undefined) expect(allowed).toBe(limits);
    const usual = defaultOf(definition);
    if (usual !== undefined) expect(fallback.replaceAll('`', '')).toBe(usual);
    if (definition.includes('.optional()')) expect(fallback).toMatch(/^(embedded|from host and port)$/);
    for (const [scheme] of definition.matchAll(/(?<=')(esdb|postgres|redis|http|kurrentdb)[a-z+]*(?=')/g))
      expect(allowed).toContain(`\`${scheme}://\``);
  });

  it('names every role', () => {
    for (const role of ROLES) expect(rows.get('BATON_ROLES')?.allowed).toContain(`\`${role}\``);
  });
});
