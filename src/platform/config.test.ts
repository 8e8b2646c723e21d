import { describe, expect, it } from 'vitest';
import { readConfig, unknownSetting } from './config.ts';

describe('an unknown setting', () => {
  it.each([
    ['BATON_PROT', 'BATON_PORT'], // swapped
    ['BATON_PRT', 'BATON_PORT'], // missing
    ['BATON_ROLLES', 'BATON_ROLES'], // one too many
    ['BATON_LOGLEVEL', 'BATON_LOG_LEVEL'],
    ['BATON_DISPATCH_CONCURENCY', 'BATON_DISPATCH_CONCURRENCY'],
    ['BATON_PG_POOLS', 'BATON_PG_POOL'], // BATON_POOLS is further away
    ['BATON_DATABASE_URL', 'DATABASE_URL'], // the prefix is wrong
    ['BATON_UTL', 'BATON_URL'], // a setting of the command line
  ])('%s is most likely %s', (name, meant) => {
    expect(unknownSetting(name)).toBe(`unknown setting ${name} (did you mean ${meant}?)`);
  });

  it.each(['BATON_TYPO', 'BATON_X', 'BATON_', 'BATON_COLOUR_SCHEME', 'BATON_DB_PASSWORD'])(
    '%s is close to nothing, so nothing is suggested',
    (name) => {
      expect(unknownSetting(name)).toBe(`unknown setting ${name}`);
    },
  );

  it('is one that starts with BATON_, has a value and is used by neither the server nor the command line', () => {
    const { unknownVariables } = readConfig({
      BATON_PROT: '1',
      BATON_EMPTY: '',
      BATON_URL: 'http://h',
      BATON_PORT: '0',
      OTHER: 'x',
    });
    expect(unknownVariables).toEqual(['BATON_PROT']);
  });
});

describe('an invalid configuration', () => {
  it('asks for signatures without keys', () =>
    expect(() => readConfig({ BATON_CARD_SIGNATURES: 'required' })).toThrow(
      'BATON_CARD_SIGNATURES="required": needs the keys that may sign, in the file that BATON_CARD_KEYS names',
    ));

  it('lists every bad setting with its value, and masks passwords', () => {
    const read = () => readConfig({ BATON_PORT: '70000', REDIS_URL: 'http://me:secret@host' });
    expect(read).toThrow(/^invalid configuration:\n/);
    expect(read).toThrow('BATON_PORT="70000": ');
    expect(read).toThrow('REDIS_URL="http://***@host": must start with redis:// or rediss://');
  });
});
