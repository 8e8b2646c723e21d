/** One reference token of a JSON pointer (RFC 6901), with its slash: `a/b` becomes `/a~1b`. */
export const pointerPart = (key: PropertyKey): string => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** The JSON pointer to what a path leads to; `''` for the whole document. */
export const pointerOf = (path: readonly PropertyKey[]): string => path.map(pointerPart).join('');

/** The parts of a JSON pointer, in the order in which they lead to their value. */
export const partsOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
