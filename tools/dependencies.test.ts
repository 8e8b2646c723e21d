import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { minVersion, satisfies } from 'semver';
import { describe, expect, it } from 'vitest';

type Package = { readonly engines?: { readonly node?: string }; readonly overrides?: object };

const read = (file: string) => JSON.parse(readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), 'utf8'));
const manifest = read('package.json') as Package;
const lock = read('package-lock.json') as { readonly packages: Readonly<Record<string, Package>> };

describe('what npm installs with Baton', () => {
  it('runs on the oldest Node that Baton promises', () => {
    const oldest = minVersion(manifest.engines?.node ?? '')?.version ?? '';
    const newer = Object.entries(lock.packages).filter(([, { engines }]) => !satisfies(oldest, engines?.node ?? '*'));
    expect(newer.map(([name]) => name)).toEqual([]);
  });

  it('does not depend on `overrides`, which npm ignores where Baton is itself a dependency', () => {
    // Instead, a version that Baton needs of somebody else’s dependency is one of its own: `@graphql-tools/*` for Node 20.
    expect(manifest.overrides).toBeUndefined();
  });
});
