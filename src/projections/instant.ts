/**
 * An instant in the form that rows have: ISO 8601, UTC, milliseconds. Events may carry another form or precision; without one form a
 * row in memory would differ from the same row read back from the database.
 */
export const instant = (iso: string): string =>
  iso.length === 24 && iso.endsWith('Z') ? iso : new Date(iso).toISOString();

export const instantOrNull = (iso: string | undefined): string | null => (iso === undefined ? null : instant(iso));

/** Milliseconds from one instant to a later one. Never below 0: the instants may come from the clocks of two machines. */
export const msBetween = (from: string, to: string): number => Math.max(0, Date.parse(to) - Date.parse(from));
