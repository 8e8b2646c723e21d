import type { Kit } from '../kit/kit.ts';
import { addPoolCommands } from './commands.ts';
import { addPoolQueries } from './types.ts';

export const addPools = ({ builder }: Kit): void => {
  addPoolQueries(builder);
  addPoolCommands(builder);
};
