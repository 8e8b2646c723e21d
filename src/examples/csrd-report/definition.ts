import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { validateWorkflow } from '../../commands/workflow/publish-workflow.ts';

/** The compiler copies no YAML: sources and dist, equally deep, both read the one in the sources. */
const FILE = new URL('../../../src/examples/csrd-report/definition.yaml', import.meta.url);

/**
 * The workflow of `definition.yaml`, checked.
 *
 * Errors: throws `AppError` `BAD_USER_INPUT` with every issue when it is loaded.
 */
export const { definition } = validateWorkflow(parse(readFileSync(FILE, 'utf8')));
