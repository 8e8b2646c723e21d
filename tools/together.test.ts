import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const TOGETHER = fileURLToPath(new URL('together.mjs', import.meta.url));

const together = (...commands: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) =>
    execFile(process.execPath, [TOGETHER, ...commands], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    ),
  );

const withoutTimes = (text: string): string => text.replace(/ after [\d.]+ s/g, '');

it('prints the output of commands in the order in which they are given, not in which they end', async () => {
  const { code, stdout } = await together('sleep 0.3; echo slow', 'echo fast');
  expect(withoutTimes(stdout)).toBe('> sleep 0.3; echo slow\nslow\nok\n> echo fast\nfast\nok\n');
  expect(code).toBe(0);
});

it('fails when one command fails, after the others have run', async () => {
  const { code, stdout, stderr } = await together('echo bad >&2; exit 3', 'echo good');
  expect(code).toBe(1);
  expect(withoutTimes(stdout)).toBe('> echo bad >&2; exit 3\nFAILED: exit code 3\n> echo good\ngood\nok\n');
  expect(stderr).toBe('bad\n\nfailed: echo bad >&2; exit 3\n');
});
