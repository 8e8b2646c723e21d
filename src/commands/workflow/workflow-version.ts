import semver from 'semver';
import { WorkflowName, workflowStream } from '../../domain/ids.ts';
import type { WorkflowVersion, WorkflowVersions } from '../../domain/workflow/decider.ts';
import { AppError, notFound } from '../../platform/errors.ts';
import { badInput, type Commands } from '../context.ts';

/** The newest release that is neither deprecated nor archived; a prerelease only where there is no release. */
export const newestVersion = <Version extends Pick<WorkflowVersion, 'version' | 'status'>>(
  versions: Iterable<Version>,
): Version | undefined => {
  const published = [...versions].filter(({ status }) => status === 'published');
  const releases = published.filter(({ version }) => semver.prerelease(version) === null);
  return (releases.length > 0 ? releases : published).sort((a, b) => semver.rcompare(a.version, b.version))[0];
};

const pick = (state: WorkflowVersions, version: string | undefined): WorkflowVersion | undefined => {
  if (state.status === 'none') return undefined;
  return version === undefined ? newestVersion(state.versions.values()) : state.versions.get(version);
};

/**
 * The version of a workflow that a new execution takes.
 *
 * Errors: `AppError` `NOT_FOUND` when there is no such workflow; `BAD_USER_INPUT` when it has no such version, or none that may
 * be used.
 */
export const workflowVersion = async (
  commands: Pick<Commands, 'workflows'>,
  tenant: string,
  name: string,
  version: string | undefined,
): Promise<WorkflowVersion> => {
  if (!WorkflowName.safeParse(name).success) throw notFound('workflow', JSON.stringify(name));
  const stream = workflowStream(tenant, name);
  const known = pick(await commands.workflows.load(stream), version);
  // What is in the cache may be older than what another process published a moment ago.
  const found = known ?? pick(await commands.workflows.load(stream, { fresh: true }), version);
  if (found?.status === 'archived')
    throw badInput([
      { pointer: '/version', code: 'VERSION_ARCHIVED', message: `${name}@${found.version} is archived` },
    ]);
  if (found) return found;
  const state = await commands.workflows.load(stream);
  if (state.status === 'none') throw notFound('workflow', name);
  const there = [...state.versions.keys()].slice(-10).join(', ');
  throw badInput([
    {
      pointer: '/version',
      code: 'VERSION_NOT_FOUND',
      message:
        version === undefined
          ? `${name} has no version that is neither deprecated nor archived; there are ${there}`
          : `${name} has no version ${version}; there are ${there}`,
    },
  ]);
};

/** Whether an error means that a workflow or its version does not exist or cannot be used. */
export const isNoWorkflow = (error: unknown): error is AppError =>
  error instanceof AppError && (error.code === 'NOT_FOUND' || error.code === 'BAD_USER_INPUT');
