import { closeSync, openSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { AgentError, type AgentServer, type Received, serveAgent } from 'baton-agent-sdk';
import type { Skill } from './skill.ts';

/** What an agent can do, independent of where it runs. */
export type Agent = {
  readonly name: string;
  readonly description: string;
  readonly skills: readonly Skill[];
};

type Options = {
  readonly host: string;
  /** 0 asks the system for a free port. */
  readonly port: number;
  /** A file that gets one JSON line per call: the agent's own record of the calls that reached it. */
  readonly journal: string | undefined;
  /** Does the work once per effect key and repeats the answer, which makes the agent `effectively_once`. Kept in memory only. */
  readonly dedupe: boolean;
  /** How long a call takes in addition to its calculation, in milliseconds. */
  readonly workMs: number;
  /** Id of a skill that fails permanently, to show what Baton does then. */
  readonly refuse: string | undefined;
};

const MAX_PORT = 65_535;

/** One line per call, written synchronously before the answer, so that it survives a crash of the process. */
class Journal {
  readonly #file: number | undefined;

  constructor(path: string | undefined) {
    this.#file = path === undefined ? undefined : openSync(path, 'a');
  }

  write({ repeated, ...call }: Received): void {
    if (this.#file === undefined) return;
    const line = { taskId: call.effectKey, ...call, applied: !repeated, at: new Date().toISOString() };
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const handlersOf = ({ name, skills }: Agent, { workMs, refuse }: Options) =>
  Object.fromEntries(
    skills.map(({ id, description, run }) => {
      const handle = async (input: unknown, { effectKey }: Pick<Received, 'effectKey'>): Promise<unknown> => {
        if (id === refuse) throw new AgentError('TOLD_TO_REFUSE', `${name} was started with --refuse ${refuse}`);
        if (workMs > 0) await pause(workMs);
        return run(input, { agent: name, effectKey });
      };
      return [id, { description, tags: ['sustainability'], run: handle }];
    }),
  );

const startAgent = async (agent: Agent, options: Options): Promise<AgentServer> => {
  const journal = new Journal(options.journal);
  const server = await serveAgent({
    card: { name: agent.name, description: agent.description },
    handlers: handlersOf(agent, options),
    host: options.host,
    port: options.port,
    dedupe: options.dedupe,
    onCall: (call) => journal.write(call),
    baton: false, // whoever starts it registers it
    handleSignals: false, // heartbeats end first
  });
  return {
    ...server,
    async close() {
      await server.close();
      journal.close();
    },
  };
};

/** Sends Baton a heartbeat at each interval. One that fails is not repeated: the next one follows. */
const sendHeartbeats = (batonUrl: string, agentId: string, intervalMs: number): (() => void) => {
  const url = `${batonUrl.replace(/\/$/, '')}/agents/${encodeURIComponent(agentId)}/heartbeat`;
  const send = (): void => {
    fetch(url, { method: 'POST', signal: AbortSignal.timeout(intervalMs) }).then(
      (response) => response.body?.cancel(),
      () => {}, // Baton is unreachable; its own monitoring reports that
    );
  };
  send();
  const timer = setInterval(send, intervalMs);
  return () => clearInterval(timer);
};

const readArguments = (args: readonly string[]) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '0' },
      journal: { type: 'string' },
      heartbeat: { type: 'string' },
      'agent-id': { type: 'string' },
      'heartbeat-interval': { type: 'string', default: '1000' },
      'work-ms': { type: 'string', default: '0' },
      dedupe: { type: 'boolean', default: false },
      refuse: { type: 'string' },
      'exit-with-parent': { type: 'boolean', default: false },
    },
  });
  const number = (name: 'port' | 'heartbeat-interval' | 'work-ms', min: number, max: number): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new Error(`--${name} must be a whole number from ${min} to ${max}`);
  };
  return {
    ...values,
    port: number('port', 0, MAX_PORT),
    heartbeatIntervalMs: number('heartbeat-interval', 100, 3_600_000),
    workMs: number('work-ms', 0, 3_600_000),
  };
};

/**
 * Runs an agent as its own process until SIGTERM or SIGINT. Prints one JSON line with the URL of its card as soon as it accepts calls.
 *
 * Arguments: `--port`, `--host`, `--journal FILE`, `--heartbeat BATON_URL --agent-id ID [--heartbeat-interval MS]`, `--work-ms MS`, `--dedupe`,
 * `--refuse SKILL`, `--exit-with-parent` (also stop when standard input ends, and so when the parent process ends in any way).
 */
export const runAgent = async (agent: Agent, args: readonly string[] = process.argv.slice(2)): Promise<void> => {
  const { host, port, journal, dedupe, refuse, workMs, heartbeat, heartbeatIntervalMs, ...others } =
    readArguments(args);
  const server = await startAgent(agent, { host, port, journal, dedupe, refuse, workMs });
  const agentId = others['agent-id'] ?? agent.name;
  const stopHeartbeats = heartbeat === undefined ? undefined : sendHeartbeats(heartbeat, agentId, heartbeatIntervalMs);
  const stop = (): void => {
    stopHeartbeats?.();
    process.stdin.destroy(); // while it is open, the process would not end
    void server.close();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  if (others['exit-with-parent']) process.stdin.once('end', stop).resume();
  const skills = agent.skills.map(({ id }) => id);
  process.stdout.write(
    `${JSON.stringify({ ready: true, agentId, name: agent.name, cardUrl: server.cardUrl, url: server.url, skills, pid: process.pid })}\n`,
  );
};
