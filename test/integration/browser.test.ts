import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Queue } from 'bullmq';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type ApiWithReadModels, startApiWithReadModels } from '../support/api-setup.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));

/** GraphiQL is a page of 9 MB that takes 12 s of processor time, and the machine may have other work. */
const PATIENCE_MS = 120_000;

let browser: Browser;
let api: ApiWithReadModels;
let queue: Queue;
let otherSite: Server;
let otherOrigin: string;

/** Starts a page, and reports everything that it complains about or loads from elsewhere. */
const open = async (url: string): Promise<{ page: Page; problems: string[] }> => {
  const page = await browser.newPage({ baseURL: api.url });
  page.setDefaultTimeout(PATIENCE_MS);
  const problems: string[] = [];
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('pageerror', ({ message }) => problems.push(message));
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (
      protocol.startsWith('http') &&
      origin !== new URL(page.url() === 'about:blank' ? request.url() : page.url()).origin
    )
      problems.push(`loads ${request.url()}`);
  });
  await page.goto(url);
  return { page, problems };
};

describe.skipIf(CHROMIUM === undefined)('in a browser (skipped without chromium)', { timeout: 2 * PATIENCE_MS }, () => {
  beforeAll(async () => {
    otherSite = createServer(
      (_request, response) => void response.setHeader('content-type', 'text/html').end('<p>hello'),
    );
    await new Promise<void>((resolve) => otherSite.listen(0, '127.0.0.1', resolve));
    otherOrigin = `http://127.0.0.1:${(otherSite.address() as AddressInfo).port}`;
    queue = new Queue('browser', { connection: { url: inject('redisUrl') } });
    [api, browser] = await Promise.all([
      startApiWithReadModels({ queues: () => [queue], config: { corsOrigins: [otherOrigin] } }),
      chromium.launch({ executablePath: CHROMIUM as string, args: ['--no-sandbox', '--disable-dev-shm-usage'] }),
    ]);
  });

  afterAll(async () => {
    await browser?.close();
    await api?.stop();
    await queue?.obliterate({ force: true });
    await queue?.close();
    otherSite?.close();
  });

  it('the first page says what is up, and leads to pages that exist', async () => {
    const { page, problems } = await open('/');
    expect(await page.textContent('h1')).toMatch(/^Baton \d+\.\d+\.\d+$/);
    expect(await page.textContent('p')).toBe('This server is ready.');
    const links = await page.$$eval('a', (anchors) => anchors.map(({ href }) => href));
    expect(links.map((link) => new URL(link).pathname)).toEqual(
      expect.arrayContaining(['/graphql', '/docs', '/queues', '/readyz', '/metrics', '/openapi.json']),
    );
    for (const link of links)
      expect(await fetch(link, { headers: { accept: 'text/html' } })).toMatchObject({ status: 200 });
    expect(problems).toEqual([]);
    await page.close();
  });

  it('GraphiQL opens with a query that runs', async () => {
    const { page, problems } = await open('/graphql');
    await page.click('button[aria-label^="Execute query"]');
    await page.waitForSelector('.graphiql-response :text("totalCount")');
    expect(await page.textContent('.graphiql-response')).not.toContain('errors');
    expect(problems).toEqual([]);
    await page.close();
  });

  it('the REST documentation opens with a request that runs', async () => {
    const { page, problems } = await open('/docs');
    await page.click('#operations-workflows-publishWorkflow .opblock-summary');
    await page.click('#operations-workflows-publishWorkflow .execute');
    expect(await page.textContent('.live-responses-table .response .response-col_status')).toMatch(/^201/);
    expect(problems).toEqual([]);
    await page.close();
  });

  it('the queues load nothing from elsewhere', async () => {
    const { page, problems } = await open('/queues');
    await page.waitForSelector(':text("browser")');
    expect(problems).toEqual([]);
    await page.close();
  });

  it('a page of a site that the settings name may use GraphQL and REST, and one of another site may not', async () => {
    const calls = (url: string): Promise<number[]> =>
      Promise.all([
        fetch(`${url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
          body: '{"query":"{ __typename }"}',
        }),
        fetch(`${url}/api/v1/workflows`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'idempotency-key': 'k' },
          body: '{"name":"other-site","version":"1.0.0","tasks":[{"id":"a","delayMs":1}]}',
        }),
      ]).then((answers) => answers.map(({ status }) => status));
    const page = await browser.newPage();
    await page.goto(otherOrigin);
    expect(await page.evaluate(calls, api.url)).toEqual([200, 201]);
    await page.goto(otherOrigin.replace('127.0.0.1', 'localhost'));
    await expect(page.evaluate(calls, api.url)).rejects.toThrow('Failed to fetch');
    await page.close();
  });
});
