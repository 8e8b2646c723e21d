import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';

export const addProjections = (_program: Command, _terminal: Terminal): void => {};
