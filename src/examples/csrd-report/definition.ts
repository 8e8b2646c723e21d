import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { validateWorkflow } from '../../commands/workflow/publish-workflow.ts';

/** The compiler does not copy YAML. Sources and dist have the same depth, so both read the file in the sources. */
const FILE = new URL('../../../src/examples/csrd-report/definition.yaml', import.meta.url);

/**
 * The validated workflow of `definition.yaml`.
 *
 * Errors: loading this module throws `AppError` `BAD_USER_INPUT` with every issue.
 */
export const { definition } = validateWorkflow(parse(readFileSync(FILE, 'utf8')));
