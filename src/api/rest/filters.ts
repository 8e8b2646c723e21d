import { text } from '../../domain/json.ts';
import { TimestampText } from '../edge/timestamp.ts';

/** Longer texts match nothing: names and ids are shorter. */
const MAX_FILTER_LENGTH = 500;

/** A text that a filter compares. */
export const FilterText = text({ min: 1, max: MAX_FILTER_LENGTH });

/** An optional parameter, with what it means. */
export const textOf = (description: string) => FilterText.optional().meta({ description });
export const from = (description = 'Inclusive.') => TimestampText.optional().meta({ description });
export const to = (description = 'Exclusive.') => TimestampText.optional().meta({ description });
