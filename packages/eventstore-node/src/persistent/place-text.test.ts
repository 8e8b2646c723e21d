import { expect, it } from 'vitest';
import { TOMBSTONE_REVISION } from '../storage/record.ts';
import { parsePlace, placeText, startText } from './place-text.ts';

it.each([
  ['order-1', 7, '7'],
  ['$all', 7, 'C:7/P:7'],
  ['order-1', TOMBSTONE_REVISION, '9223372036854775807'],
])('a place in %s', (stream, place, text) => {
  expect(placeText(stream, place)).toBe(text);
  expect(parsePlace(text)).toBe(place);
});

it.each([
  ['order-1', 'start', '0'],
  ['order-1', 'end', '-1'],
  ['order-1', 5, '5'],
  ['$all', 'start', 'C:0/P:0'],
  ['$all', 'end', 'C:-1/P:-1'],
  ['$all', 5, 'C:5/P:5'],
] as const)('the start of a group to %s from %s', (stream, startFrom, text) => {
  expect(startText(stream, startFrom)).toBe(text);
});

it.each(['', '-1', 'C:1', 'x'])('"%s" is not a place', (text) => {
  expect(parsePlace(text)).toBeUndefined();
});
