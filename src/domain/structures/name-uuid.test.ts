import fc from 'fast-check';
import { v5 } from 'uuid';
import { describe, expect, it } from 'vitest';
import { nameUuids } from './name-uuid.ts';

const DNS = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';
const uuidOf = nameUuids(DNS);

describe('a UUID of a name', () => {
  it('matches the example of the RFC', () => {
    expect(uuidOf('www.example.com')).toBe('2ed6657d-e927-568b-95e1-2665a8aea6a2');
  });

  it('matches the package uuid, at every length around block boundaries', () => {
    for (let length = 0; length < 700; length += 1) {
      const name = 'abcdefghij\u001f\u0000\u007f'.repeat(60).slice(0, length);
      expect(uuidOf(name)).toBe(v5(name, DNS));
    }
  });

  it('matches the package uuid, for any characters and any namespace', () =>
    fc.assert(
      fc.property(fc.uuid(), fc.string({ unit: 'binary', maxLength: 600 }), (namespace, name) => {
        expect(nameUuids(namespace)(name)).toBe(v5(name, namespace));
      }),
    ));

  it('does not depend on earlier calls', () =>
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 300 })), (names) => {
        expect(names.map(uuidOf)).toEqual(names.map((name) => v5(name, DNS)));
      }),
    ));

  it('does not exist for a lone surrogate', () => {
    expect(() => uuidOf('\ud800')).toThrow(URIError);
  });
});
