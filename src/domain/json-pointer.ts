/** One reference token of a JSON pointer (RFC 6901), with its slash: `a/b` becomes `/a~1b`. */
export const pointerPart = (key: PropertyKey): string => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** The JSON pointer to what a path leads to; `''` for the whole document. */
export const pointerOf = (path: readonly PropertyKey[]): string => path.map(pointerPart).join('');
