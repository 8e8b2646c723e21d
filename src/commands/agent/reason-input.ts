import { z } from 'zod';
import { text } from '../../domain/json.ts';

export const ReasonInput = z.strictObject({ reason: text({ max: 500 }).optional() });
