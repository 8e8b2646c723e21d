import { z } from 'zod';

/**
 * RFC 3339 with a zone. JavaScript's own parser reads 30 February as 2 March and hour 24 as the next day, and refuses leap seconds
 * without a message.
 */
const TIMESTAMP =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

const daysIn = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate();

const isTimestamp = (text: string): boolean => {
  const match = TIMESTAMP.exec(text);
  if (!match) return false;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return (
    year > 0 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysIn(year, month) &&
    hour < 24 &&
    minute < 60 &&
    second < 60
  );
};

/** An instant in any zone, as UTC with milliseconds, so that equal instants are equal strings. */
export const TimestampText = z
  .string()
  .refine(isTimestamp, 'must be an RFC 3339 timestamp with a zone, such as 2026-11-21T09:30:00Z')
  .transform((text) => new Date(text.toUpperCase()).toISOString());
