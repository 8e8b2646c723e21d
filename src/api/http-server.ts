import { createServer, type RequestListener, type Server } from 'node:http';

/** How long a client may take to send a request, in milliseconds. Node alone waits for a body for five minutes. */
export type SendingLimits = { readonly headersMs: number; readonly requestMs: number };

/** The largest body at 70 KB/s; slower clients pay with 408. */
const LIMITS: SendingLimits = { headersMs: 10_000, requestMs: 30_000 };

/** An HTTP server that closes connections whose request does not arrive in time. Answers and sockets may take as long as they need. */
export const createHttpServer = (app: RequestListener, { headersMs, requestMs }: SendingLimits = LIMITS): Server =>
  createServer(
    { headersTimeout: headersMs, requestTimeout: requestMs, connectionsCheckingInterval: Math.min(headersMs, 1_000) },
    app,
  );
