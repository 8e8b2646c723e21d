import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { GENERATED, generate } from '../generate/generate.ts';

it('the generated file matches the schema and the operations; if not, run `npm run generate`', async () => {
  expect(readFileSync(GENERATED, 'utf8')).toBe(await generate());
});
