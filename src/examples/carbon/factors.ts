import { averageIntensity } from '@tgwf/co2';

/** Where the factors come from, to be named with every figure that rests on them. */
export const SOURCE = '@tgwf/co2, average grid intensity (Ember)';

const isCountry = (code: string): boolean => /^[A-Z]{3}$/.test(code);

/** ISO 3166 alpha-3 codes of the countries that have a factor, in alphabetical order. */
export const COUNTRIES: readonly string[] = Object.entries(averageIntensity.data)
  .filter(([code, grams]) => isCountry(code) && grams > 0)
  .map(([code]) => code)
  .sort();

/** Grams of CO2 equivalent per kWh of a country's grid; undefined when there is none for it. */
export const emissionFactor = (country: string): number | undefined => {
  const grams = isCountry(country) ? averageIntensity.data[country] : undefined;
  return grams !== undefined && grams > 0 ? grams : undefined;
};

/** Tonnes of CO2 equivalent, to the gram. */
export const tonnesOf = (kWh: number, gCO2PerKWh: number): number => Math.round(kWh * gCO2PerKWh) / 1e6;

/** Coal-only grids are around 1,000 g/kWh: more than 1.5 times that is a wrong unit. */
const MAX_PLAUSIBLE_GRAMS = 1_500;

export const isPlausibleFactor = (gCO2PerKWh: number): boolean => gCO2PerKWh > 0 && gCO2PerKWh <= MAX_PLAUSIBLE_GRAMS;
