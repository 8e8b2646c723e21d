import type { Decider } from '../decider.ts';
import { assertNever, ok, type Result, rejected } from '../result.ts';
import type { WorkflowDefinition } from './definition.ts';
import type { WorkflowEvent } from './events.ts';

export type WorkflowVersion = {
  readonly version: string;
  readonly digest: string;
  readonly definition: WorkflowDefinition;
  readonly status: 'published' | 'deprecated' | 'archived';
};

/** All versions of one workflow, in the order of their publication. */
export type WorkflowVersions =
  | { readonly status: 'none' }
  | { readonly status: 'published'; readonly name: string; readonly versions: ReadonlyMap<string, WorkflowVersion> };

export type WorkflowCommand =
  | {
      readonly type: 'PublishWorkflow';
      readonly definition: WorkflowDefinition;
      readonly digest: string;
      readonly now: string;
    }
  | {
      readonly type: 'DeprecateWorkflow' | 'ArchiveWorkflow';
      readonly version: string;
      readonly reason?: string | undefined;
      readonly now: string;
    };

export type WorkflowRejection =
  | { readonly reason: 'WorkflowNotFound' }
  | { readonly reason: 'VersionNotFound'; readonly version: string }
  /** What was published is never changed: another content needs another version. */
  | { readonly reason: 'VersionTaken'; readonly version: string; readonly digest: string }
  | { readonly reason: 'VersionArchived'; readonly version: string };

type Decision = Result<WorkflowEvent[], WorkflowRejection>;
type Known = Exclude<WorkflowVersions, { status: 'none' }>;

const publish = (
  { definition, digest, now }: Extract<WorkflowCommand, { type: 'PublishWorkflow' }>,
  state: WorkflowVersions,
): Decision => {
  const { name, version } = definition;
  const known = state.status === 'none' ? undefined : state.versions.get(version);
  // The same content again changes nothing.
  if (known?.digest === digest) return ok([]);
  if (known) return rejected({ reason: 'VersionTaken', version, digest: known.digest });
  return ok([{ type: 'WorkflowPublished', data: { name, version, digest, definition, publishedAt: now } }]);
};

const retire = (
  command: Extract<WorkflowCommand, { type: 'DeprecateWorkflow' | 'ArchiveWorkflow' }>,
  state: Known,
): Decision => {
  const { version, reason, now } = command;
  const known = state.versions.get(version);
  if (known === undefined) return rejected({ reason: 'VersionNotFound', version });
  const facts = { name: state.name, version, ...(reason === undefined ? {} : { reason }) };
  if (command.type === 'ArchiveWorkflow')
    return ok(known.status === 'archived' ? [] : [{ type: 'WorkflowArchived', data: { ...facts, archivedAt: now } }]);
  if (known.status === 'archived') return rejected({ reason: 'VersionArchived', version });
  return ok(
    known.status === 'deprecated' ? [] : [{ type: 'WorkflowDeprecated', data: { ...facts, deprecatedAt: now } }],
  );
};

const withStatus = (state: Known, version: string, status: WorkflowVersion['status']): Known => {
  const known = state.versions.get(version);
  return known ? { ...state, versions: new Map(state.versions).set(version, { ...known, status }) } : state;
};

export const workflowDecider: Decider<WorkflowVersions, WorkflowCommand, WorkflowEvent, WorkflowRejection> = {
  initialState: () => ({ status: 'none' }),
  decide(command, state) {
    if (command.type === 'PublishWorkflow') return publish(command, state);
    return state.status === 'none' ? rejected({ reason: 'WorkflowNotFound' }) : retire(command, state);
  },
  evolve(state, event) {
    if (event.type === 'WorkflowPublished') {
      const { name, version, digest, definition } = event.data;
      const versions = new Map(state.status === 'none' ? [] : state.versions);
      return {
        status: 'published',
        name,
        versions: versions.set(version, { version, digest, definition, status: 'published' }),
      };
    }
    if (state.status === 'none') return state;
    switch (event.type) {
      case 'WorkflowDeprecated':
        return withStatus(state, event.data.version, 'deprecated');
      case 'WorkflowArchived':
        return withStatus(state, event.data.version, 'archived');
      default:
        return assertNever(event);
    }
  },
};
