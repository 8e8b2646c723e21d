import type { RegisterAgentInput as WireInput } from 'baton-client';
import { z } from 'zod';
import { RegisterAgentInput } from '../domain/agent/commands.ts';
import { AgentId } from '../domain/ids.ts';
import type { Json } from '../domain/json.ts';
import { usageFailure } from './failure.ts';
import { upperCase } from './parse.ts';
import { parseText, problemsOf, readItems, readText } from './task-file.ts';
import type { Terminal } from './terminal.ts';

const lowerCase = (value: unknown): unknown => (typeof value === 'string' ? value.toLowerCase() : value);

/** Also takes enum values as GraphQL writes them: a file may come from an API client. */
const inOurCase = (value: Json): unknown => {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const { delivery, serviceTypes } = value as { readonly delivery?: unknown; readonly serviceTypes?: unknown };
  return {
    ...value,
    ...(delivery === undefined ? {} : { delivery: lowerCase(delivery) }),
    ...(Array.isArray(serviceTypes) ? { serviceTypes: serviceTypes.map(lowerCase) } : {}),
  };
};

/** What the file says and no more: the server adds the defaults. */
const toWire = ({ delivery, serviceTypes, ...rest }: z.input<typeof RegisterAgentInput>): WireInput => ({
  ...rest,
  ...(delivery === undefined ? {} : { delivery: upperCase(delivery) }),
  ...(serviceTypes === undefined ? {} : { serviceTypes: serviceTypes.map(upperCase) }),
});

const Descriptor = RegisterAgentInput.extend({ agentId: AgentId.optional() });

/**
 * The descriptor of one agent from a JSON file; `-` is stdin. The id may be missing.
 *
 * Errors: `Failure` (wrong usage) that names the file and the field.
 */
export const readDescriptor = async (terminal: Terminal, path: string): Promise<Partial<WireInput>> => {
  const name = path === '-' ? 'stdin' : path;
  const value = inOurCase(parseText(await readText(terminal, path), { name, line: 1 }));
  const parsed = Descriptor.safeParse(value);
  if (!parsed.success) throw usageFailure(`${name}: ${problemsOf(parsed.error)}`);
  return toWire(value as z.input<typeof RegisterAgentInput>);
};

/** A checked agent of a file of many. `place` is its position in the file, for messages. */
export type FileAgent = { readonly place: string; readonly idempotencyKey?: string; readonly agent: WireInput };

const Item = RegisterAgentInput.extend({ idempotencyKey: z.string().min(1).max(255).optional() });

const checked = (value: unknown, place: string): FileAgent => {
  const ours = inOurCase(value as Json);
  const parsed = Item.safeParse(ours);
  if (!parsed.success) throw usageFailure(`${place}: ${problemsOf(parsed.error)}`);
  const { idempotencyKey, ...agent } = ours as z.input<typeof Item>;
  return { place, agent: toWire(agent), ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
};

/** The agents of a file; see `readItems`. */
export const readAgents = (terminal: Terminal, path: string): Promise<FileAgent[]> =>
  readItems(terminal, path, { word: 'agent', check: checked });
