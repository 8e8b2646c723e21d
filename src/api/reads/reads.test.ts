import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../../test/support/api-harness.ts';
import type { Queryable } from '../../projections/database.ts';

const TASK = '0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11';

/** Read models that hold nothing, at the version of this build. */
const EMPTY: Queryable = {
  query: (async () => ({
    rows: [{ checkpointVersion: 1_000, checkpointPosition: 9n, checkpointStatus: 'live', found: null }],
  })) as unknown as Queryable['query'],
};

let waits: string[];
let api: TestApi;
beforeEach(async () => {
  waits = [];
  api = await startApi({
    pool: EMPTY,
    freshness: {
      waitFor: async (position, { projections }) => {
        for (const projection of projections) waits.push(`${projection} ${position}`);
      },
    },
  });
});
afterEach(() => api.stop());

describe('a query with atLeast', () => {
  it.each([
    ['{ task(id: "$TASK", atLeast: "5") { id attempts { attempt } } }', ['tasks 5']],
    ['{ tasks(atLeast: "5") { nodes { id } } }', ['tasks 5']],
    ['{ agents(atLeast: "5") { nodes { id } } }', ['agents 5']],
    ['{ executions(atLeast: "5") { nodes { id } } }', ['executions 5']],
    ['{ agent(id: "a", atLeast: "7") { id } execution(id: "$TASK") { id } }', ['agents 7', 'executions 7']],
    ['{ agents { nodes { id } } }', []],
  ])('waits for the projections that its fields read, and no other: %s', async (query, expected) => {
    const { body } = await api.post(query.replace('$TASK', TASK));
    expect(body.errors).toBeUndefined();
    expect([...new Set(waits)].sort()).toEqual(expected);
  });
});
