import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import express, { type RequestHandler, Router } from 'express';
import { openApiDocument } from './openapi.ts';

export const DOCUMENT_PATH = '/openapi.json';
export const DOCS_PATH = '/docs';

/** Version of the API, not of the program: raised when callers have to know. */
const API_VERSION = '1.0.0';

const FILES: ReadonlySet<string> = new Set(['/swagger-ui.css', '/swagger-ui-bundle.js', '/favicon-32x32.png']);

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Baton: REST</title>
    <link rel="icon" href="${DOCS_PATH}/favicon-32x32.png">
    <link rel="stylesheet" href="${DOCS_PATH}/swagger-ui.css">
  </head>
  <body>
    <div id="docs"></div>
    <script src="${DOCS_PATH}/swagger-ui-bundle.js"></script>
    <script src="${DOCS_PATH}/start.js"></script>
  </body>
</html>
`;

/** Without the validator, which would send the address of the document to another server. */
const START = `SwaggerUIBundle({ url: '${DOCUMENT_PATH}', dom_id: '#docs', validatorUrl: null, deepLinking: true, tryItOutEnabled: true });\n`;

/** Built on the first request. */
export const apiDocument = (): RequestHandler => {
  let document: string | undefined;
  return (_request, response) => {
    document ??= JSON.stringify(openApiDocument(API_VERSION));
    response.type('application/json').send(document);
  };
};

/** A page to read the document and try it out; loads no file from another server. */
export const docsPage = (): Router => {
  const require = createRequire(import.meta.url);
  const folder = dirname(require.resolve('swagger-ui-dist/package.json'));
  const files = express.static(folder, { index: false, redirect: false, maxAge: '1h' });
  const router = Router();
  router.get('/', (_request, response) => void response.type('html').send(PAGE));
  router.get('/start.js', (_request, response) => void response.type('js').send(START));
  router.use((request, response, next) => (FILES.has(request.path) ? files(request, response, next) : next()));
  return router;
};
