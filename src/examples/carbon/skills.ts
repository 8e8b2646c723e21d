import { AgentError } from 'baton-agent-sdk';
import { z } from 'zod';
import { parseInput, type Skill } from '../agent/skill.ts';
import { emissionFactor, isPlausibleFactor, SOURCE, tonnesOf } from './factors.ts';

const Country = z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 3166 alpha-3 code such as DEU');
const Energy = z.number().positive().max(1e15);
const Usage = z.object({ supplier: z.string().min(1).max(500), country: Country, kWh: Energy });

const factorOf = (country: string): number => {
  const grams = emissionFactor(country);
  if (grams === undefined) throw new AgentError('UNKNOWN_COUNTRY', `no emission factor for country ${country}`);
  return grams;
};

type Figures = { readonly kWh: number; readonly gCO2PerKWh: number; readonly tonnesCO2e: number };

const checksOf = ({ kWh, gCO2PerKWh, tonnesCO2e }: Figures) => [
  { check: 'energy is positive', ok: kWh > 0 },
  { check: 'the factor is plausible', ok: isPlausibleFactor(gCO2PerKWh) },
  { check: 'tonnes follow from energy and factor', ok: tonnesCO2e === tonnesOf(kWh, gCO2PerKWh) },
];

/** The footprint of a supplier's yearly electricity: looks up the factor, calculates and checks in one call. */
export const footprint: Skill = {
  id: 'footprint',
  description: 'Footprint of a supplier from {supplier, country (ISO alpha-3), kWh}',
  run(input, { agent }) {
    const { supplier, country, kWh } = parseInput(Usage, input);
    const gCO2PerKWh = factorOf(country);
    const figures = { kWh, gCO2PerKWh, tonnesCO2e: tonnesOf(kWh, gCO2PerKWh) };
    return { supplier, country, ...figures, agent, checks: checksOf(figures) };
  },
};

export const emissionFactorLookup: Skill = {
  id: 'emission-factor.lookup',
  description: 'Emission factor of the grid of {country (ISO alpha-3)}',
  run(input, { agent }) {
    const { country } = parseInput(z.object({ country: Country }), input);
    return { country, gCO2PerKWh: factorOf(country), source: SOURCE, agent };
  },
};

export const carbonCalculate: Skill = {
  id: 'carbon.calculate',
  description: 'Tonnes of CO2e from {kWh, gCO2PerKWh}',
  run(input, { agent }) {
    const { kWh, gCO2PerKWh } = parseInput(z.object({ kWh: Energy, gCO2PerKWh: z.number().positive() }), input);
    return { kWh, gCO2PerKWh, tonnesCO2e: tonnesOf(kWh, gCO2PerKWh), agent };
  },
};

export const footprintValidate: Skill = {
  id: 'footprint.validate',
  description: 'Checks {kWh, gCO2PerKWh, tonnesCO2e}',
  run(input, { agent }) {
    const figures = parseInput(z.object({ kWh: z.number(), gCO2PerKWh: z.number(), tonnesCO2e: z.number() }), input);
    const checks = checksOf(figures);
    return { valid: checks.every(({ ok }) => ok), checks, agent };
  },
};
