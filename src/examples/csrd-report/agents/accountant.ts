import { join } from 'node:path';
import { AgentError } from 'baton-agent-sdk';
import { z } from 'zod';
import type { Agent } from '../../agent/agent-server.ts';
import { type Call, parseInput, type Skill } from '../../agent/skill.ts';
import { emissionFactor, SOURCE, tonnesOf } from '../../carbon/factors.ts';
import { Activity, type Footprint, sumOfTonnes } from '../data.ts';
import { type Booking, Ledger } from '../ledger.ts';
import { CompensationInput, ExecutionId, FileRef, type WorkFolder } from '../work-folder.ts';

const FILE = 'footprint.json';

const Input = z.object({ execution: ExecutionId, activity: FileRef });

const footprintOf = ({ suppliers }: Activity): Footprint => {
  const lines = suppliers.map(({ supplier, country, kWh }) => {
    const gCO2PerKWh = emissionFactor(country);
    if (gCO2PerKWh === undefined)
      throw new AgentError('UNKNOWN_COUNTRY', `no emission factor for country ${JSON.stringify(country)}`);
    return { supplier, country, kWh, gCO2PerKWh, tonnesCO2e: tonnesOf(kWh, gCO2PerKWh) };
  });
  return { source: SOURCE, tonnesCO2e: sumOfTonnes(lines), suppliers: lines };
};

const answerOf = ({ id, footprint, tonnesCO2e }: Booking) => ({ ...footprint, total: tonnesCO2e, booking: id });

const keyOf = ({ effectKey }: Call): string => {
  if (effectKey !== undefined) return effectKey;
  throw new AgentError('NO_EFFECT_KEY', 'a booking needs an effect key');
};

/**
 * The agent is registered as `effectively_once`, and here it keeps that promise: one booking per effect key, however often it is called,
 * even after a restart.
 */
const book = (folder: WorkFolder, ledger: Ledger): Skill => ({
  id: 'footprint.book',
  description: 'Calculates the footprint of the {activity} data of {execution} and books it, once per effect key',
  run(input, call) {
    const { execution, activity } = parseInput(Input, input);
    const id = keyOf(call);
    const entries = ledger.entries();
    const known = entries.find((entry) => entry.kind === 'booking' && entry.id === id);
    if (known?.kind === 'booking') return answerOf(known);
    // A late call: its execution has been compensated since.
    if (entries.some((entry) => entry.kind === 'reversal' && entry.execution === execution))
      throw new AgentError('REVERSED', `the booking of ${execution} was already reversed`);
    const figures = footprintOf(parseInput(Activity, JSON.parse(folder.read(activity))));
    const footprint = folder.write(execution, FILE, JSON.stringify(figures, null, 1));
    const at = new Date().toISOString();
    const booking: Booking = { kind: 'booking', id, execution, tonnesCO2e: figures.tonnesCO2e, footprint, at };
    ledger.append(booking);
    return answerOf(booking);
  },
});

const reverse = (folder: WorkFolder, ledger: Ledger): Skill => ({
  id: 'footprint.reverse',
  description: 'Reverses the booking of {execution}, and removes its figures',
  run(input, call) {
    const { execution } = parseInput(CompensationInput, input);
    const id = keyOf(call);
    const own = ledger.entries().filter((entry) => entry.execution === execution);
    const booking = own.find(({ kind }) => kind === 'booking');
    if (!own.some(({ kind }) => kind === 'reversal'))
      ledger.append({
        kind: 'reversal',
        id,
        execution,
        of: booking?.id ?? null,
        tonnesCO2e: booking === undefined ? 0 : -booking.tonnesCO2e,
        at: new Date().toISOString(),
      });
    folder.remove(execution, FILE);
    return { reversed: booking?.id ?? null };
  },
});

export const accountant = (folder: WorkFolder): Agent => {
  const ledger = new Ledger(join(folder.path, 'ledger.jsonl'));
  return {
    name: 'accountant',
    description: 'Calculates footprints and keeps the ledger',
    skills: [book(folder, ledger), reverse(folder, ledger)],
  };
};
