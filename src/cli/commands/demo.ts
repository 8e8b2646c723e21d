import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';

export const addDemo = (_program: Command, _terminal: Terminal): void => {};
