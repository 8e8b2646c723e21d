import { expect, it } from 'vitest';
import { pointerOf } from './json-pointer.ts';

it('an empty path points to the whole document; tildes and slashes are escaped', () => {
  expect(pointerOf([])).toBe('');
  expect(pointerOf(['a/b', '~1', 0])).toBe('/a~1b/~01/0');
});
