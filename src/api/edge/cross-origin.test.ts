import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { CONFIG, startApi, type TestApi } from '../../../test/support/api-harness.ts';
import { readConfig } from '../../platform/config.ts';

const APP = 'https://app.example.com';
const EVIL = 'https://evil.example.com';

let api: TestApi | undefined;
afterEach(async () => {
  await api?.stop();
  api = undefined;
});

const start = async (corsOrigins: readonly string[], corsCredentials = false): Promise<TestApi> => {
  api = await startApi({ config: { ...CONFIG, corsOrigins, corsCredentials } });
  return api;
};

const preflight = (path: string, origin: string) =>
  fetch(`${api?.url}${path}`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,idempotency-key',
    },
  });
const allowed = ({ headers }: Response): string | null => headers.get('access-control-allow-origin');

const socketFrom = async (origin: string): Promise<string> => {
  const socket = new WebSocket(`${api?.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { origin });
  return new Promise((resolve) => {
    socket.once('open', () => resolve('open')).once('error', ({ message }) => resolve(message));
  }).finally(() => socket.terminate()) as Promise<string>;
};

describe('pages of other sites', () => {
  it('are not allowed by default', async () => {
    await start([]);
    for (const path of ['/graphql', '/api/v1/workflows']) expect(allowed(await preflight(path, APP))).toBeNull();
    expect(await socketFrom(APP)).toContain('403');
  });

  it('are allowed where the settings name their site: preflight, answers, requests without a body, sockets', async () => {
    const { url } = await start([APP]);
    for (const path of ['/graphql', '/api/v1/workflows', '/openapi.json']) {
      const answer = await preflight(path, APP);
      expect([answer.status, allowed(answer)]).toEqual([204, APP]);
      expect(answer.headers.get('access-control-allow-headers')).toBe('content-type,idempotency-key');
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
      expect(answer.headers.get('vary')).toContain('Origin');
      expect(allowed(await preflight(path, EVIL))).toBeNull();
    }
    const execute = (origin: string) =>
      fetch(`${url}/api/v1/workflows/none/execute`, { method: 'POST', headers: { origin } });
    expect(await execute(APP)).toMatchObject({ status: 404 });
    expect(await execute(EVIL)).toMatchObject({ status: 403 });
    expect(await socketFrom(APP)).toBe('open');
    expect(await socketFrom(EVIL)).toContain('403');
  });

  it('may send credentials where the settings say so', async () => {
    await start([APP], true);
    expect((await preflight('/graphql', APP)).headers.get('access-control-allow-credentials')).toBe('true');
  });

  it('are all allowed by *, which shuts out credentials', async () => {
    await start(['*']);
    expect(allowed(await preflight('/graphql', EVIL))).toBe('*');
    expect(() => readConfig({ BATON_CORS_ORIGINS: '*', BATON_CORS_CREDENTIALS: 'true' })).toThrow(
      'BATON_CORS_CREDENTIALS="true": credentials cannot go to every site: name the origins in BATON_CORS_ORIGINS instead of *',
    );
  });

  it.each(['app.example.com', 'https://app.example.com/', 'https://*.example.com/x', 'null', ''])(
    '%j is no origin',
    (origin) => {
      const settings = { BATON_CORS_ORIGINS: `https://a.example.com, ${origin}` };
      expect(() => readConfig(settings)).toThrow('must be origins such as https://app.example.com, or *');
    },
  );
});

describe('the first page', () => {
  it('is JSON for programs and HTML for people', async () => {
    const { url } = await start([]);
    const get = (accept: string) => fetch(url, { headers: { accept } });
    for (const accept of ['*/*', 'application/json', 'application/json, text/html'])
      expect(await (await get(accept)).json()).toMatchObject({
        name: 'baton',
        version: expect.stringMatching(/^\d/),
        graphql: '/graphql',
      });
    const page = await get('text/html,application/xhtml+xml,*/*;q=0.8');
    expect(page.headers.get('vary')).toContain('Accept');
    expect(page.headers.get('content-security-policy')).not.toContain('upgrade-insecure-requests');
    const html = await page.text();
    for (const part of ['<h1>Baton <small>', 'This server is ready.', '<li>log</li>', 'href="/queues"'])
      expect(html).toContain(part);
  });
});
