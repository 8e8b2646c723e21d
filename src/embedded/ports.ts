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

/** A port that was free a moment ago; another process may take it before its user listens, so users retry. */
export const freePort = (host: string): Promise<number> => listen(0, host);

/** Undefined when the port can be listened on, else the system's reason (EADDRINUSE, EACCES, …). */
export const portProblem = async (port: number, host: string): Promise<string | undefined> => {
  try {
    await listen(port, host);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
};
