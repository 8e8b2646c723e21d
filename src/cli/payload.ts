import { refused } from './failure.ts';

export type Accepted = { readonly id: string; readonly position: string; readonly repeated: boolean };
type Rejected = { readonly reason: string; readonly message: string };

/** What every command's mutation selects of its payload. `id` names the subject. */
export const payloadOf = (kind: 'Task' | 'Agent'): string => {
  const id = kind === 'Task' ? 'taskId' : 'agentId';
  return `{ ... on ${kind}Accepted { id: ${id} position repeated } ... on ${kind}Rejected { reason message } }`;
};

/** Errors: `Failure` with the rejection's reason as its code. */
export const acceptedOf = (payload: Accepted | Rejected): Accepted => {
  if ('reason' in payload) throw refused(payload.reason, payload.message);
  return payload;
};
