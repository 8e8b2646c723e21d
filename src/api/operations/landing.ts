import type { RequestHandler } from 'express';
import type { ReadinessReport } from './health.ts';

/** Where people and programs find what this server offers. */
export type Offer = {
  readonly path: string;
  readonly title: string;
  readonly about: string;
};

export type LandingOptions = {
  readonly version: string;
  /** For programs. */
  readonly endpoints: Readonly<Record<string, string>>;
  /** For people. */
  readonly offers: readonly Offer[];
  readonly report: () => Promise<ReadinessReport>;
};

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='7' fill='%23245a4c'/%3E%3Cpath d='M9 23 23 9' stroke='%23fff' stroke-width='5' stroke-linecap='round'/%3E%3C/svg%3E";

const STYLE = `
:root { color-scheme: light dark; --ink: #1b2420; --soft: #5d6a64; --line: #dfe5e1; --page: #f6f8f6; --card: #fff; --accent: #245a4c; --ok: #1d7a4f; --down: #b3372b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eeea; --soft: #9aa8a1; --line: #2c3733; --page: #121816; --card: #1a2220; --accent: #7cc4ad; --ok: #5cc48d; --down: #f08a7e; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 44rem; margin: 0 auto; padding: 3.5rem 1.25rem; }
h1 { margin: 0; font-size: 2rem; letter-spacing: -0.02em; }
h1 small { color: var(--soft); font-size: 1rem; font-weight: 400; letter-spacing: 0; }
p { margin: 0.25rem 0 1.5rem; color: var(--soft); }
ul { list-style: none; margin: 0; padding: 0; }
.parts { display: flex; flex-wrap: wrap; gap: 0.5rem; margin-bottom: 2rem; }
.parts li { border: 1px solid var(--line); border-radius: 2rem; background: var(--card); padding: 0.15rem 0.8rem; font-size: 0.9rem; }
.parts li::before { content: "●"; margin-right: 0.45rem; color: var(--ok); }
.parts .down { border-color: var(--down); }
.parts .down::before { color: var(--down); }
.offers { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 0.75rem; }
.offers a { display: block; height: 100%; border: 1px solid var(--line); border-radius: 0.75rem; background: var(--card); padding: 0.9rem 1.1rem; color: inherit; text-decoration: none; }
.offers a:hover, .offers a:focus-visible { border-color: var(--accent); outline: none; }
.offers strong { color: var(--accent); }
.offers span { display: block; color: var(--soft); font-size: 0.9rem; }
`;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const partItem = ([name, state]: readonly [string, string]): string =>
  `<li${state === 'ok' ? '' : ' class="down"'}>${escaped(name)}${state === 'ok' ? '' : ` is ${escaped(state)}`}</li>`;

const offerItem = ({ path, title, about }: Offer): string =>
  `<li><a href="${escaped(path)}"><strong>${escaped(title)}</strong><span>${escaped(about)}</span></a></li>`;

const pageOf = ({ version, offers }: LandingOptions, { status, parts }: ReadinessReport): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Baton</title>
    <link rel="icon" href="${ICON}">
    <style>${STYLE}</style>
  </head>
  <body>
    <main>
      <h1>Baton <small>${escaped(version)}</small></h1>
      <p>This server is ${escaped(status)}.</p>
      <ul class="parts">${Object.entries(parts).map(partItem).join('')}</ul>
      <ul class="offers">${offers.map(offerItem).join('')}</ul>
    </main>
  </body>
</html>
`;

/** What is here: a page for people, JSON for programs, which also get it when they do not say what they accept. */
export const landing =
  (options: LandingOptions): RequestHandler =>
  async (request, response) => {
    response.vary('Accept');
    if (request.accepts(['json', 'html']) !== 'html')
      return void response.json({ name: 'baton', version: options.version, ...options.endpoints });
    response
      .set('cache-control', 'no-store')
      .type('html')
      .send(pageOf(options, await options.report()));
  };
