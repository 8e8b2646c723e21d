import type { Logger } from '../platform/logger.ts';

/** Something that works until its signal aborts. */
export type Process = { readonly name: string; run(signal: AbortSignal): Promise<void> };

/** Runs processes side by side until `stop`. One that ends with an error is logged and not restarted: each retries by itself what can be retried. */
export const runProcesses = (processes: readonly Process[], logger: Logger): { stop(): Promise<void> } => {
  const stopping = new AbortController();
  const running = processes.map(async ({ name, run }) => {
    try {
      await run(stopping.signal);
    } catch (error) {
      logger.error({ process: name, err: error }, `${name} ended`);
    }
  });
  return {
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
};
