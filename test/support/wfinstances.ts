import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER =
  process.env['WFINSTANCES_DIR'] ?? fileURLToPath(new URL('../../../shared/data/wfinstances', import.meta.url));

/** Runs of real systems that WfCommons recorded, with what their README says of them. They are not part of this repository. */
export const INSTANCES = [
  { name: 'rnaseq-dirt02-001', tasks: 197, edges: 451, makespanS: 3_131 },
  { name: 'montage-chameleon-2mass-005d-001', tasks: 58, edges: 114, makespanS: 1_060 },
  { name: '1000genome-chameleon-2ch-250k-001', tasks: 82, edges: 106, makespanS: 2_391 },
  { name: 'seismology-chameleon-1000p-001', tasks: 1_001, edges: 1_000, makespanS: 2_194 },
  { name: 'soykb-chameleon-10fastq-10ch-001', tasks: 96, edges: 194, makespanS: 9_323 },
  { name: 'srasearch-chameleon-10a-001', tasks: 22, edges: 30, makespanS: 3_488 },
  { name: 'epigenomics-chameleon-hep-1seq-100k-001', tasks: 41, edges: 48, makespanS: 594 },
  { name: 'bwa-chameleon-small-001', tasks: 104, edges: 400, makespanS: 690 },
] as const;

export const instancePath = (name: string): string => join(FOLDER, `${name}.json`);
export const readInstance = (name: string): unknown => JSON.parse(readFileSync(instancePath(name), 'utf8'));

/** Where they are not available, a suite is skipped and its title says why. */
export const instancesMissing = INSTANCES.every(({ name }) => !existsSync(instancePath(name)));
export const titled = (title: string): string =>
  instancesMissing ? `${title} (skipped: WFINSTANCES_DIR, ${resolve(FOLDER)}, holds no WfCommons instances)` : title;
