import { BatonError } from './error.ts';

type Rejected = { readonly reason: string; readonly message: string };

/**
 * The payload of an accepted command: `accepted(await client.execute(SubmitTask, { input }))`.
 *
 * Errors: `BatonError` with the reason as its code when the command was rejected.
 */
export const accepted = <Payload extends object>({
  payload,
}: {
  readonly payload: Payload;
}): Exclude<Payload, Rejected> => {
  if ('reason' in payload) {
    const { reason, message } = payload as unknown as Rejected;
    throw new BatonError(reason, message);
  }
  return payload as Exclude<Payload, Rejected>;
};
