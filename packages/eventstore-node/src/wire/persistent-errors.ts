import { GrpcError, Status, type StatusCode } from '../grpc/status.ts';
import type { GroupKey } from '../persistent/settings.ts';

export const groupExists = ({ stream, group }: GroupKey): GrpcError => {
  const message = `Subscription group ${group} on stream ${stream} exists.`;
  return groupError(Status.alreadyExists, 'persistent-subscription-exists', { stream, group }, message);
};

/** The group is '' when a stream has no groups at all. */
export const groupDoesNotExist = ({ stream, group }: GroupKey): GrpcError => {
  const message = `Subscription group ${group} on stream ${stream} does not exist.`;
  return groupError(Status.notFound, 'persistent-subscription-does-not-exist', { stream, group }, message);
};

export const tooManySubscribers = ({ stream, group }: GroupKey): GrpcError => {
  const message = `Maximum subscriptions reached for subscription group ${group} on stream ${stream}.`;
  return groupError(Status.failedPrecondition, 'maximum-subscribers-reached', { stream, group }, message);
};

/** The group was deleted, updated or restarted under a connected client. */
export const groupDropped = ({ stream, group }: GroupKey): GrpcError => {
  const message = `Subscription group ${group} on stream ${stream} was dropped.`;
  return groupError(Status.cancelled, 'persistent-subscription-dropped', { stream, group }, message);
};

export const groupFailed = ({ stream, group }: GroupKey, reason: string): GrpcError => {
  const message = `Subscription group ${group} on stream ${stream} failed: '${reason}'`;
  return groupError(Status.internal, 'persistent-subscription-failed', { stream, group }, message, { reason });
};

const groupError = (
  code: StatusCode,
  exception: string,
  { stream, group }: GroupKey,
  message: string,
  more: Readonly<Record<string, string>> = {},
): GrpcError => new GrpcError(code, message, { exception, 'stream-name': stream, 'group-name': group, ...more });
