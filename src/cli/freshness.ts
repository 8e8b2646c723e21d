import type { Command } from 'commander';
import { positionText } from './parse.ts';

export type Freshness = { readonly atLeast?: string };

/** For commands that read: a change that was just made may not be in the read models yet. */
export const freshness = (command: Command): Command =>
  command.option(
    '--at-least <position>',
    'wait until the answer holds everything up to this `position` of a command',
    positionText,
  );
