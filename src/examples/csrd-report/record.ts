import type { Audit } from '../../cli/audit.ts';
import type { History } from './history.ts';
import type { Step } from './steps.ts';

export type RunOptions = {
  readonly suppliers: number;
  readonly seed: number;
  /** The step that should fail. */
  readonly failAt: Step | undefined;
  /** Absolute path of the folder for the files. */
  readonly out: string;
};

export type Run = {
  readonly options: RunOptions;
  readonly executionId: string;
  readonly history: History;
  /** Of the whole log. */
  readonly audit: Audit;
};
