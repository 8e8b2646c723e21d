import type { Command } from 'commander';
import { positionText } from './parse.ts';

export type Freshness = { readonly atLeast?: string };

/** For commands that read: a change made a moment ago may not be in the read models yet. */
export const freshness = (command: Command): Command =>
  command.option(
    '--at-least <position>',
    'wait until the answer includes everything up to this `position`, as a command printed it',
    positionText,
  );
