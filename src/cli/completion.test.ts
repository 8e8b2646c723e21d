import { spawnSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from './failure.ts';
import { run } from './run.ts';

const cli = async (...args: string[]) => {
  let out = '';
  let err = '';
  const code = await run(
    {
      env: {},
      stdin: Readable.from([]),
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      progress: undefined,
      colour: false,
    },
    args,
  );
  return { code, out, err };
};

let script: string;
beforeAll(async () => {
  script = (await cli('completion', 'bash')).out;
});

/** What bash offers for a command line; its last word is being typed. */
const offered = (line: string): string[] => {
  const words = line.split(' ');
  const ask = `${script}
complete -p baton >/dev/null || exit 1
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length - 1}
_baton
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', ask], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.split('\n').filter(Boolean);
};

describe('completion in bash', () => {
  it('offers the commands', () => {
    expect(offered('baton ')).toEqual(expect.arrayContaining(['serve', 'tasks', 'dlq', 'completion']));
    expect(offered('baton tas')).toEqual(['tasks']);
    expect(offered('baton tasks su')).toEqual(['submit', 'submit-many']);
    expect(offered('baton workflows debts hand')).toEqual(['hand-over']);
  });

  it('offers the options of the command, also behind others and arguments', () => {
    expect(offered('baton tasks submit --wa')).toEqual(['--wait']);
    expect(offered('baton tasks list --status ready --sin')).toEqual(['--since']);
    expect(offered('baton tasks submit echo --time')).toEqual(['--timeout-ms', '--timeout']);
    expect(offered('baton tasks list --wa')).toEqual([]);
  });

  it('offers the values of an option that has a fixed set, and leaves the others to the shell', () => {
    expect(offered('baton tasks list --status in')).toEqual(['indeterminate']);
    expect(offered('baton tasks submit echo --input-file ')).toEqual([]);
  });
});

describe('the scripts', () => {
  it.each(['bash', 'zsh', 'fish'])('have each command: %s', async (shell) => {
    const { code, out } = await cli('completion', shell);
    expect(code).toBe(EXIT.ok);
    expect(out).toContain("' agents undrain'");
  });

  it('are for the shells that are known', async () => {
    expect(await cli('completion', 'tcsh')).toMatchObject({ code: EXIT.usage, out: '' });
  });
});
