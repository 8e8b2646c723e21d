import { EdgeError } from '../errors.ts';
import { AGENT_OPERATIONS } from './agents.ts';
import { COMPENSATION_OPERATIONS } from './compensations.ts';
import { EXECUTION_COMMANDS } from './executions.ts';
import { EXECUTION_QUERIES } from './executions-read.ts';
import { type Operation, operation } from './operation.ts';
import { POOL_OPERATIONS } from './pools.ts';
import { RULE_OPERATIONS } from './rules.ts';
import { TASK_COMMANDS } from './tasks.ts';
import { TASK_QUERIES } from './tasks-read.ts';
import { RETIREMENTS, WORKFLOW_OPERATIONS } from './workflows.ts';

const registerPattern = operation({
  method: 'post',
  path: '/patterns',
  id: 'registerPattern',
  summary: 'Register a coordination pattern (not built yet)',
  description:
    'Always answers 501 NOT_IMPLEMENTED without reading the request. A definition names one of the built-in patterns.',
  success: { status: 501, description: 'Not built yet' },
  refusals: [],
  example: {},
  async run() {
    throw new EdgeError(
      'NOT_IMPLEMENTED',
      'registering patterns is not built yet: a definition’s `pattern` names a built-in one',
    );
  },
});

/** The examples are a story: each works after those before it. */
export const OPERATIONS: readonly Operation[] = [
  ...TASK_COMMANDS,
  ...TASK_QUERIES,
  ...AGENT_OPERATIONS,
  ...POOL_OPERATIONS,
  ...RULE_OPERATIONS,
  ...WORKFLOW_OPERATIONS,
  ...EXECUTION_COMMANDS,
  ...EXECUTION_QUERIES,
  ...COMPENSATION_OPERATIONS,
  ...RETIREMENTS,
  registerPattern,
];
