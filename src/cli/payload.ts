import { refused } from './failure.ts';

export type Accepted = { readonly id: string; readonly position: string; readonly repeated: boolean };
type Rejected = { readonly reason: string; readonly message: string };

const ID_FIELDS = { Task: 'taskId', Agent: 'agentId', Execution: 'executionId', Workflow: 'name' } as const;

/** What every command's mutation selects of its payload. `id` names the subject. */
export const payloadOf = (kind: keyof typeof ID_FIELDS, more = ''): string =>
  `{ ... on ${kind}Accepted { id: ${ID_FIELDS[kind]} position repeated ${more} } ... on ${kind}Rejected { reason message } }`;

/** Errors: `Failure` with the rejection's reason as its code. */
export const acceptedOf = <Payload extends Accepted>(payload: Payload | Rejected): Payload => {
  if ('reason' in payload) throw refused(payload.reason, payload.message);
  return payload;
};
