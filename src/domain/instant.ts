import { z } from 'zod';

/** An instant as the log has it: ISO 8601 in UTC. */
export const Instant = z.iso.datetime();

/** @param ms milliseconds since the Unix epoch */
export const instantOf = (ms: number): string => new Date(ms).toISOString();

export const plusMs = (instant: string, ms: number): string => instantOf(Date.parse(instant) + ms);
