import { describe, expect, it } from 'vitest';
import { specOf } from '../../../test/support/given-when-then.ts';
import { workflowDecider } from './decider.ts';
import { WorkflowDefinition } from './definition.ts';
import type { WorkflowEvent } from './events.ts';

const workflow = specOf(workflowDecider);
const now = '2026-03-01T12:00:00.000Z';
const ONE = '1'.repeat(64);
const TWO = '2'.repeat(64);

const definitionOf = (version: string): WorkflowDefinition =>
  WorkflowDefinition.parse({ name: 'report', version, tasks: [{ id: 'a', capability: 'work' }] });
const published = (version: string, digest: string): WorkflowEvent => ({
  type: 'WorkflowPublished',
  data: { name: 'report', version, digest, definition: definitionOf(version), publishedAt: now },
});
const deprecated = (version: string, reason?: string): WorkflowEvent => ({
  type: 'WorkflowDeprecated',
  data: { name: 'report', version, ...(reason === undefined ? {} : { reason }), deprecatedAt: now },
});
const archived = (version: string): WorkflowEvent => ({
  type: 'WorkflowArchived',
  data: { name: 'report', version, archivedAt: now },
});
const publish = (version: string, digest: string) =>
  ({ type: 'PublishWorkflow', definition: definitionOf(version), digest, now }) as const;
const deprecate = (version: string, reason?: string) => ({ type: 'DeprecateWorkflow', version, reason, now }) as const;
const archive = (version: string) => ({ type: 'ArchiveWorkflow', version, now }) as const;

describe('a workflow that nobody published', () => {
  it('is published', () => workflow.given().when(publish('1.0.0', ONE)).thenEvents(published('1.0.0', ONE)));
  it('cannot be retired', () => {
    workflow.given().when(deprecate('1.0.0')).thenRejected({ reason: 'WorkflowNotFound' });
    workflow.given().when(archive('1.0.0')).thenRejected({ reason: 'WorkflowNotFound' });
  });
});

describe('a published version', () => {
  const given = workflow.given(published('1.0.0', ONE));

  it('is not published twice', () => given.when(publish('1.0.0', ONE)).thenNothing());
  it('is never changed', () =>
    given.when(publish('1.0.0', TWO)).thenRejected({ reason: 'VersionTaken', version: '1.0.0', digest: ONE }));
  it('can exist beside others, even with the same content', () => {
    given.when(publish('1.1.0', TWO)).thenEvents(published('1.1.0', TWO));
    given.when(publish('0.9.0', ONE)).thenEvents(published('0.9.0', ONE));
  });
  it('is deprecated, with a reason or without', () => {
    given.when(deprecate('1.0.0')).thenEvents(deprecated('1.0.0'));
    given.when(deprecate('1.0.0', 'old')).thenEvents(deprecated('1.0.0', 'old'));
  });
  it('is archived', () => given.when(archive('1.0.0')).thenEvents(archived('1.0.0')));
  it.each(['2.0.0', '__proto__', 'constructor'])('is not confused with another: %s', (version) => {
    given.when(deprecate(version)).thenRejected({ reason: 'VersionNotFound', version });
    given.when(archive(version)).thenRejected({ reason: 'VersionNotFound', version });
  });
});

describe('a deprecated version', () => {
  const given = workflow.given(published('1.0.0', ONE), deprecated('1.0.0'));
  it('is not deprecated twice', () => given.when(deprecate('1.0.0')).thenNothing());
  it('can be archived', () => given.when(archive('1.0.0')).thenEvents(archived('1.0.0')));
});

describe('an archived version', () => {
  const given = workflow.given(published('1.0.0', ONE), published('2.0.0', TWO), archived('1.0.0'));
  it('stays archived', () => {
    given.when(archive('1.0.0')).thenNothing();
    given.when(deprecate('1.0.0')).thenRejected({ reason: 'VersionArchived', version: '1.0.0' });
  });
  it('leaves the others alone, in the order of publication', () => {
    const { state } = given;
    expect(
      state.status === 'published' && [...state.versions.values()].map(({ version, status }) => [version, status]),
    ).toEqual([
      ['1.0.0', 'archived'],
      ['2.0.0', 'published'],
    ]);
  });
});
