import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const filesUnder = (folder: string): string[] =>
  readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${folder}/${file}`);

const tests = filesUnder('test');

it('folders of tests that need servers contain only tests and contracts', () => {
  const others = tests.filter(
    (file) => /^test\/(contracts|integration|e2e)\//.test(file) && !/\.(test|contract)\.ts$/.test(file),
  );
  expect(others, 'move them to test/support').toEqual([]);
});

it('there are no other folders of tests', () => {
  const folders = [...new Set(tests.map((file) => file.split('/')[1]))].sort();
  expect(folders).toEqual(['campaigns', 'contracts', 'e2e', 'golden', 'integration', 'support']);
});

it('tests beside their source need no servers', () => {
  const own = [...filesUnder('src'), ...filesUnder('tools')].filter((file) => file.endsWith('.test.ts'));
  expect(own.length).toBeGreaterThan(50);
  // Their projects in vitest.config.ts have no global setup, so `inject('databaseUrl')` would be undefined there.
  const named = own.filter((file) => /\.(integration|e2e|contract)\.test\.ts$/.test(file));
  expect(named, 'move them to test/').toEqual([]);
});
