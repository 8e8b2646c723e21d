/** Names of a list, for people; a long list is cut. */
export const named = (ids: readonly string[], most = 3): string =>
  ids.length <= most ? ids.join(', ') : `${ids.slice(0, most).join(', ')} and ${ids.length - most} more`;

/** A code of the domain as words: `step_failed` is `step failed`. */
export const words = (code: string): string => code.replaceAll('_', ' ');

/** The reason that somebody gave, where there is one. */
export const because = (reason: string | undefined): string => (reason === undefined ? '' : `: ${reason}`);

export const milliseconds = (duration: number): string => `${Math.round(duration)} ms`;

/** `1 attempt`, `3 attempts`. */
export const numberOf = (count: number | bigint, noun: string, plural = `${noun}s`): string =>
  `${count} ${Number(count) === 1 ? noun : plural}`;
