/**
 * An instant as rows hold it: ISO 8601, UTC, milliseconds. Events may carry any other form or precision; without one form a row
 * would differ between the memory it was folded in and the database it is read back from.
 */
export const instant = (iso: string): string =>
  iso.length === 24 && iso.endsWith('Z') ? iso : new Date(iso).toISOString();

export const instantOrNull = (iso: string | undefined): string | null => (iso === undefined ? null : instant(iso));

/** Milliseconds from one instant to a later one, never below 0: the instants may come from clocks of two machines. */
export const msBetween = (from: string, to: string): number => Math.max(0, Date.parse(to) - Date.parse(from));
