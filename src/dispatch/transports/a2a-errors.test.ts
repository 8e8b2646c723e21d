import { A2AError } from '@a2a-js/sdk/errors';
import { describe, expect, it } from 'vitest';
import { failureOfCall } from './a2a-errors.ts';

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

const failureWith = (data: unknown) => failureOfCall(Object.assign(new A2AError('later'), { data }));

describe('an error of JSON-RPC', () => {
  it.each([
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['0.0001s', 1],
    ['999999999s', 86_400_000],
  ])('asks for a pause of %s', (retryDelay, ms) =>
    expect(failureWith([{ '@type': 'other' }, { '@type': RETRY_INFO, retryDelay }]).retryAfterMs).toBe(ms),
  );

  it.each([
    ['no data', undefined],
    ['data of another form', { retryDelay: '30s' }],
    ['details that are no objects', [null, 3, 'x']],
    ['a delay that is none', [{ '@type': RETRY_INFO, retryDelay: 'soon' }]],
    ['no delay', [{ '@type': RETRY_INFO, retryDelay: '0s' }]],
  ])('asks for no pause with %s', (_, data) => expect(failureWith(data).retryAfterMs).toBeUndefined());
});
