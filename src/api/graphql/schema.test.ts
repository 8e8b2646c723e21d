import { describe, expect, it } from 'vitest';
import { printSchema } from './kit/graphql-js.ts';
import { createSchema } from './schema.ts';

describe('the public schema', () => {
  // After a change that is meant: npx vitest run --project unit src/api/graphql/schema.test.ts -u
  it('is the reviewed one', async () => {
    await expect(`${printSchema(createSchema())}\n`).toMatchFileSnapshot('./schema.graphql');
  });
});
