import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Folders below `folder`, down to `depth` levels, that hold files. */
const foldersIn = (folder: string, depth: number): string[] =>
  readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${folder}/${name}`)
    .filter((path) => readdirSync(join(ROOT, path), { recursive: true, withFileTypes: true }).some((e) => e.isFile()))
    .flatMap((path) => [path, ...(depth > 1 ? foldersIn(path, depth - 1) : [])]);

describe('the table of folders in the guide on architecture', () => {
  const [, section = ''] = read('docs/guides/architecture.md').split('## Code layout');
  const named = [...section.matchAll(/^\| `([^`]+)` /gm)].map(([, folder = '']) => folder);

  it('names only folders that exist, each once', () => {
    expect(named.length).toBeGreaterThan(40);
    expect(named.filter((folder) => !existsSync(join(ROOT, folder)))).toEqual([]);
    expect(named).toEqual([...new Set(named)]);
  });

  it('names every folder of src down to two levels, and every package', () => {
    const folders = [...foldersIn('src', 2), ...foldersIn('packages', 1)];
    expect(folders.filter((folder) => !named.includes(folder))).toEqual([]);
  });
});

const documents = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'deploy/README.md', 'examples/README.md', 'docs/benchmarks.md'],
  ...readdirSync(join(ROOT, 'packages'))
    .map((name) => `packages/${name}/README.md`)
    .filter((path) => existsSync(join(ROOT, path))),
  ...['docs/guides', 'docs/adr'].flatMap((folder) =>
    readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}`),
  ),
];

/** The anchor that GitHub gives to a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (path: string): string[] =>
  [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));

describe('the links of a document', () => {
  it.each(documents)('lead to files and headings that exist: %s', (document) => {
    const targets = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target));
    const dead = targets.filter((target) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? document : join(dirname(document), path);
      if (!existsSync(join(ROOT, file))) return true;
      return anchor !== undefined && !anchorsOf(file).includes(anchor);
    });
    expect(dead).toEqual([]);
  });
});
