import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** The rows of the table: what, limit, what happens beyond it, where it is declared. */
const rows = [
  ...read('docs/guides/operations.md').matchAll(/^\| (.+?) +\| (.+?) +\| .+? +\| `([\w./-]+\.ts)`, `(\w+)` +\|$/gm),
].map(([, what = '', limit = '', file = '', name = '']) => ({ what, limit, file, name }));

/** The value of a constant whose declaration is a product of whole numbers. */
const declared = (file: string, name: string): number => {
  const [, product] =
    new RegExp(`^(?:export )?const ${name} = ([\\d_]+(?: \\* [\\d_]+)*);`, 'm').exec(read(file)) ?? [];
  if (product === undefined) throw new Error(`${file} declares no constant ${name} that is a product of whole numbers`);
  return product.split(' * ').reduce((value, factor) => value * Number(factor.replaceAll('_', '')), 1);
};

/** As the guide writes it; the constant's name tells the unit. */
const written = (name: string, value: number): string => {
  if (name.endsWith('_MS')) return `${(value / 1_000).toLocaleString('en')} s`;
  if (!name.endsWith('_BYTES')) return value.toLocaleString('en');
  return value % 1024 ** 2 === 0 ? `${value / 1024 ** 2} MiB` : `${value / 1024} KiB`;
};

describe('the table of limits in the operations guide', () => {
  it('has rows', () => expect(rows.length).toBeGreaterThan(30));

  it.each(rows)('says what the source declares: $what', ({ limit, file, name }) => {
    expect(limit).toBe(written(name, declared(file, name)));
  });
});
