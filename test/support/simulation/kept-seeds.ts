import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Trouble } from './plan.ts';

/** Worlds in which something once went wrong. A seed means the same only as long as nobody changes what the dice are asked. */
export const KEPT_SEEDS: readonly {
  readonly seed: number;
  readonly why: string;
  readonly troubles?: readonly Trouble[];
}[] = [
  { seed: 350, why: 'a task in a parked stream held the last slot for ever', troubles: ['newer events'] },
  { seed: 2, why: 'a delay waited for a clock that had been set back', troubles: ['clock steps'] },
  { seed: 35, why: 'an attempt was given up by a clock that had been set ahead', troubles: ['clock steps'] },
  { seed: 46, why: 'deadlines passed by a clock that had been set ahead', troubles: ['clock steps'] },
  { seed: 200_014, why: 'the judge counted the place of a task in a parked stream' },
  { seed: 200_467, why: 'an answer of Postgres that took long set the time ahead' },
  { seed: 3116, why: 'a retry waited for a clock that had been set back', troubles: ['clock steps', 'bad agents'] },
  { seed: 500_828, why: 'a deadline waited for an attempt that Redis did not give back' },
];

/** Not in the repository: what runs on this machine have found, one seed a line. It is run again until the file is deleted. */
const FOUND = fileURLToPath(new URL('../../../node_modules/.cache/simulation/found-seeds', import.meta.url));

export const foundSeeds = (): readonly number[] =>
  existsSync(FOUND) ? [...new Set(readFileSync(FOUND, 'utf8').split('\n').filter(Boolean).map(Number))] : [];

export const keepFound = (seed: number): void => {
  mkdirSync(dirname(FOUND), { recursive: true });
  appendFileSync(FOUND, `${seed}\n`);
};
