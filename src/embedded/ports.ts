import { createServer } from 'node:net';

const listen = (port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
    });
  });

/** A port that was free a moment ago. Another process may take it before the caller listens, so callers must retry. */
export const freePort = (host: string): Promise<number> => listen(0, host);

/** Undefined when a server can listen on the port; otherwise the system's error code (EADDRINUSE, EACCES, …). */
export const portProblem = async (port: number, host: string): Promise<string | undefined> => {
  try {
    await listen(port, host);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
};
