import { Presets, SingleBar } from 'cli-progress';
import type { Terminal } from './terminal.ts';

export type Progress = { update(value: number): void; stop(): void };

const SILENT: Progress = { update: () => {}, stop: () => {} };

/** A bar on stderr; nothing when stderr is not a terminal. */
export const progressBar = (terminal: Terminal, what: string, total: number): Progress => {
  if (terminal.progress === undefined || total <= 0) return SILENT;
  const bar = new SingleBar(
    {
      stream: terminal.progress,
      format: `${what} {bar} {percentage}%  {duration_formatted}`,
      clearOnComplete: true,
      // A hidden cursor would stay hidden after Ctrl-C.
      hideCursor: false,
    },
    Presets.legacy,
  );
  bar.start(total, 0);
  return {
    update: (value) => bar.update(Math.min(value, total)),
    stop: () => bar.stop(),
  };
};
