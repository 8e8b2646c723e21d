import { expect, it } from 'vitest';
import { pointerOf } from './json-pointer.ts';

it('points to the whole document by an empty path, and escapes tildes and slashes', () => {
  expect(pointerOf([])).toBe('');
  expect(pointerOf(['a/b', '~1', 0])).toBe('/a~1b/~01/0');
});
