import { describe, expect, it } from 'vitest';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import {
  defineSumTable,
  defineTable,
  elementSums,
  greatest,
  integer,
  least,
  type RowOf,
  sum,
  tenant,
  text,
} from '../define-table.ts';
import type { Fold, Projector } from '../projector.ts';
import { applyOperations, FoldError, idOf, neededKeys, type Operation, operationsOf, type Row } from './fold.ts';

const accounts = defineTable({
  name: 'accounts',
  columns: { tenant: tenant(), id: text(), balance: integer() },
  key: ['tenant', 'id'],
});
type Account = RowOf<typeof accounts>;
const sums = defineSumTable({
  name: 'sums',
  columns: { tenant: tenant(), count: sum(), least: least(), most: greatest(), each: elementSums() },
  key: ['tenant'],
});

type Sums = RowOf<typeof sums>;

const key = (id: string) => ({ tenant: 't', id });
const event = { type: 'Anything', position: 7n, metadata: { tenant: 't' } } as StoredEvent;

/** The operations of a projector that handles every event like this. */
const operations = (handle: (fold: Fold) => void): Operation[] => {
  const projector: Projector = {
    name: 'p',
    version: 1,
    tables: [accounts, sums],
    on: {},
    onAny: (_, fold) => handle(fold),
  };
  return operationsOf(projector, event, () => undefined);
};

const rowsAfter = (handle: (fold: Fold) => void, stored: readonly Account[] = []): Record<string, Row[]> => {
  const found = (id: string): Row | undefined => stored.find((row) => idOf(accounts, row) === id);
  const rows = applyOperations(operations(handle), (table, id) => (table === accounts ? found(id) : undefined));
  return Object.fromEntries([...rows].map(([{ name }, ofTable]) => [name, [...ofTable.values()]]));
};

const deposit = (fold: Fold, id: string, amount: number): void =>
  fold.change(accounts, key(id), (account) => account && { ...account, balance: account.balance + amount });

describe('a fold', () => {
  it('sees the row as the previous operations left it', () => {
    const rows = rowsAfter(
      (fold) => {
        fold.put(accounts, { ...key('a'), balance: 1 });
        deposit(fold, 'a', 10);
        deposit(fold, 'b', 5);
      },
      [{ ...key('b'), balance: 100 }],
    );
    expect(rows).toEqual({
      accounts: [
        { ...key('a'), balance: 11 },
        { ...key('b'), balance: 105 },
      ],
    });
  });

  it('writes nothing where a change leaves the row as it is', () => {
    expect(rowsAfter((fold) => deposit(fold, 'a', 10))).toEqual({});
  });

  it('adds up sums without changing its input', () => {
    const one: Sums = { tenant: 't', count: 1, least: 5, most: 5, each: [1] };
    const rows = rowsAfter((fold) => {
      fold.add(sums, one);
      fold.add(sums, { ...one, least: 0, most: 9, each: [0, 0, 2] });
      fold.add(sums, { ...one, count: 0, least: null, most: null, each: [] });
    });
    expect(rows).toEqual({ sums: [{ tenant: 't', count: 2, least: 0, most: 9, each: [1, 0, 2] }] });
    expect(one.each).toEqual([1]);
  });

  it('carries out the additional operations that a change emits', () => {
    const rows = rowsAfter(
      (fold) =>
        fold.change(accounts, key('a'), (account, emit) => {
          emit.put(accounts, { ...key('log'), balance: account?.balance ?? -1 });
          return undefined;
        }),
      [{ ...key('a'), balance: 3 }],
    );
    expect(rows).toEqual({ accounts: [{ ...key('log'), balance: 3 }] });
  });

  it('requests only rows that it changes, has not written itself and does not know', () => {
    const needed = neededKeys(
      operations((fold) => {
        fold.put(accounts, { ...key('new'), balance: 1 });
        for (const id of ['new', 'known', 'old', 'old']) deposit(fold, id, 1);
      }),
      (_, id) => id === idOf(accounts, key('known')),
    );
    expect([...needed].map(([{ name }, keys]) => [name, [...keys.values()]])).toEqual([['accounts', [key('old')]]]);
  });

  it('reports which event a handler failed on', () => {
    const fails = (): never => {
      throw new Error('no');
    };
    expect(() => operations(fails)).toThrow(FoldError);
    expect(() => rowsAfter((fold) => fold.change(accounts, key('a'), fails))).toThrow('Anything at position 7: no');
  });
});
