/**
 * Runs commands side by side and prints their output one after the other, in the order given:
 * `node tools/together.mjs 'tsc --noEmit' 'biome check .'`. Fails if one of them fails; the others still run to their end.
 */
import { spawn } from 'node:child_process';

const color = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {};

const run = (command) => {
  const started = performance.now();
  const child = spawn(command, {
    shell: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...color },
  });
  const waiting = [];
  let shown = false;
  for (const [stream, out] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ])
    stream.on('data', (chunk) => {
      if (shown) out.write(chunk);
      else waiting.push([out, chunk]);
    });
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code === 0 ? undefined : `${signal ?? `exit code ${code}`}`));
  });
  return {
    command,
    child,
    async show() {
      process.stdout.write(`> ${command}\n`);
      shown = true;
      for (const [out, chunk] of waiting) out.write(chunk);
      const failure = await ended;
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      process.stdout.write(
        failure === undefined ? `ok after ${seconds} s\n` : `FAILED after ${seconds} s: ${failure}\n`,
      );
      return failure === undefined;
    },
  };
};

const commands = process.argv.slice(2);
if (commands.length === 0) throw new Error('name at least one command');
const jobs = commands.map(run);
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    for (const { child } of jobs) child.kill(signal);
  });

const failed = [];
for (const job of jobs) if (!(await job.show())) failed.push(job.command);
if (failed.length > 0) {
  process.stderr.write(`\nfailed: ${failed.join('; ')}\n`);
  process.exitCode = 1;
}
