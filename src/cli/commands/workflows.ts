import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { addLocalCommands } from './workflows-local.ts';
import { addSimulate } from './workflows-simulate.ts';

export const addWorkflows = (program: Command, terminal: Terminal): void => {
  const workflows = program
    .command('workflows')
    .description('Check, publish and run workflows; follow, steer and explain their executions.');
  addLocalCommands(workflows, terminal);
  addSimulate(workflows, terminal);
};
